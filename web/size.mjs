// Prints what a browser has to load, gzip-compressed, and fails above the budget:
// 120 kB until pre-join can be used, 250 kB in total to be in a meeting.
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildClient } from './build.mjs';

const FIRST_MAX_BYTES = 120_000;
const TOTAL_MAX_BYTES = 250_000;

const root = path.dirname(fileURLToPath(import.meta.url));
const built = await buildClient();
const gzip = new Map();
const visit = async (dir) => {
    for (const entry of await readdir(dir, { withFileTypes: true })) {
        const file = path.join(dir, entry.name);
        if (entry.isDirectory()) await visit(file);
        else gzip.set('/' + path.relative(built.outdir, file), gzipSync(await readFile(file), { level: 9 }).length);
    }
};
await visit(built.outdir);

const outputs = new Map(
    Object.entries(built.metafile.outputs).map(([file, meta]) => [
        '/' + path.relative(built.outdir, path.join(root, file)),
        meta,
    ]),
);
const first = new Set(['/index.html', built.style, built.icon]);
const follow = (file) => {
    if (first.has(file)) return;
    first.add(file);
    for (const imported of outputs.get(file)?.imports ?? []) {
        if (imported.kind === 'import-statement') {
            follow('/' + path.relative(built.outdir, path.join(root, imported.path)));
        }
    }
};
follow(built.app);

let firstBytes = 0;
let totalBytes = 0;
for (const [file, bytes] of [...gzip].sort((a, b) => b[1] - a[1])) {
    // Licence texts are there to be read, not loaded.
    if (file === built.licence) continue;
    totalBytes += bytes;
    if (first.has(file)) firstBytes += bytes;
    console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${first.has(file) ? 'first' : 'later'}  ${file}`);
}
console.log(
    `${(firstBytes / 1000).toFixed(1).padStart(8)} kB  until pre-join can be used (at most ${FIRST_MAX_BYTES / 1000})`,
);
console.log(
    `${(totalBytes / 1000).toFixed(1).padStart(8)} kB  in total, in a meeting (at most ${TOTAL_MAX_BYTES / 1000})`,
);
if (firstBytes > FIRST_MAX_BYTES || totalBytes > TOTAL_MAX_BYTES) {
    console.error('above the budget');
    process.exit(1);
}
