// Builds the client with a meeting server inside the page (dev/loopback.ts): node dev/loopback.mjs <folder>.
// Then `node dev/serve.mjs 8092 <folder>` and join any meeting: Echo is there and sends everything back.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { buildClient, shared } from '../build.mjs';

const out = path.resolve(process.argv[2] ?? 'loopback');
await buildClient(out);
await build({
    ...shared,
    entryPoints: ['dev/loopback.ts'],
    outfile: path.join(out, 'assets/loopback.js'),
    logLevel: 'warning',
});
const page = path.join(out, 'index.html');
const html = await readFile(page, 'utf8');
await writeFile(
    page,
    html.replace(
        '<script type="module"',
        '<script type="module" src="/assets/loopback.js"></script>\n<script type="module"',
    ),
);
console.log(`built ${out}`);
