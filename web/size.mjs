// Prints what a browser has to load, gzip-compressed, and fails above the budget:
// 120 kB until pre-join can be used; then, while pre-join is shown and at the same time, what a meeting needs more of: 220 kB with the
// first part, and 124 kB of encryption, the worker and its WebAssembly module, which post-quantum key agreement is a good part of.
// One budget for both would let either grow at the cost of the other.
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildClient } from './build.mjs';

const FIRST_MAX_BYTES = 120_000;
const CLIENT_MAX_BYTES = 220_000;
const ENCRYPTION_MAX_BYTES = 124_000;

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

const encryption = new Set([built.worker, built.wasm]);
let firstBytes = 0;
let clientBytes = 0;
let encryptionBytes = 0;
for (const [file, bytes] of [...gzip].sort((a, b) => b[1] - a[1])) {
    // Licence texts are there to be read, not loaded.
    if (file === built.licence) continue;
    if (encryption.has(file)) encryptionBytes += bytes;
    else clientBytes += bytes;
    if (first.has(file)) firstBytes += bytes;
    console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${first.has(file) ? 'first' : 'later'}  ${file}`);
}
let above = false;
for (const [bytes, most, what] of [
    [firstBytes, FIRST_MAX_BYTES, 'until pre-join can be used'],
    [clientBytes, CLIENT_MAX_BYTES, 'in a meeting, without encryption'],
    [encryptionBytes, ENCRYPTION_MAX_BYTES, 'encryption'],
]) {
    console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${what} (at most ${most / 1000})`);
    above ||= bytes > most;
}
console.log(`${((clientBytes + encryptionBytes) / 1000).toFixed(1).padStart(8)} kB  in total`);
if (above) {
    console.error('above the budget');
    process.exit(1);
}
