// Builds the gallery (dev/gallery.tsx) into a folder for dev/serve.mjs: node dev/gallery.mjs <folder>.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { shared } from '../build.mjs';

const out = path.resolve(process.argv[2] ?? 'gallery');
await mkdir(path.join(out, 'assets'), { recursive: true });
await build({
    ...shared,
    entryPoints: { gallery: 'dev/gallery.tsx', style: 'src/styles/main.css' },
    outdir: path.join(out, 'assets'),
    logLevel: 'warning',
});
await writeFile(
    path.join(out, 'index.html'),
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gallery</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/assets/style.css"><script type="module" src="/assets/gallery.js"></script></head>
<body><div id="app"></div></body></html>\n`,
);
console.log(`built ${out}`);
