// Builds the client into dist/: index.html and assets/<name>-<hash>.<ext>.
//
// The same sources give the same bytes: names carry content hashes, nothing carries a time or a path of the machine.
// `buildClient` is exported because size.mjs and the development tools need what the bundler knows about each chunk.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));

export const shared = {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    target: ['es2022', 'chrome105', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    define: { 'process.env.NODE_ENV': '"production"' },
};

/** The licences of everything that is in the bundle, as those licences ask for; from the lock file, in its order. */
async function licences() {
    const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8'));
    const parts = ['The Conclave web client contains the following works.\n'];
    for (const [dir, entry] of Object.entries(lock.packages)) {
        if (dir === '' || entry.dev || entry.optional) continue;
        const names = (await readdir(path.join(root, dir)).catch(() => [])).filter((n) =>
            /^(licen[cs]e|notice)/i.test(n),
        );
        const texts = await Promise.all(names.sort().map((name) => readFile(path.join(root, dir, name), 'utf8')));
        const title = `${dir.replace(/^.*node_modules\//, '')} ${entry.version} (${entry.license})`;
        parts.push(`${'-'.repeat(78)}\n${title}\n\n${texts.map((text) => text.trim()).join('\n\n')}\n`);
    }
    return parts.join('\n');
}

/** Writes a file that the bundler does not, under its content's hash. Returns its address. */
async function writeAsset(outdir, name, extension, content) {
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 8).toUpperCase();
    const address = `/assets/${name}-${hash}.${extension}`;
    await mkdir(path.join(outdir, 'assets'), { recursive: true });
    await writeFile(path.join(outdir, address), content);
    return address;
}

/** The group's side of a meeting, from src/ (tools/build-wasm says what it needs), or as it was built before. */
async function wasmModule() {
    if (process.env.CONCLAVE_MEMBER_WASM) return readFile(process.env.CONCLAVE_MEMBER_WASM);
    const folder = await mkdtemp(path.join(tmpdir(), 'conclave-wasm-'));
    try {
        const file = path.join(folder, 'member.wasm');
        execFileSync(path.join(root, '../tools/build-wasm'), ['--member', file], { stdio: 'inherit' });
        return await readFile(file);
    } finally {
        await rm(folder, { recursive: true, force: true });
    }
}

/** The worker, which knows the module's address. */
async function workerScript(wasm, minify) {
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    const result = await build({
        ...shared,
        format: 'iife',
        entryPoints: ['src/secure/worker.ts'],
        define: {
            ...shared.define,
            CONCLAVE_WASM: JSON.stringify(wasm),
            CONCLAVE_VERSION: JSON.stringify(version),
        },
        write: false,
        minify,
        logLevel: 'warning',
    });
    return result.outputFiles[0].contents;
}

export async function buildClient(outdir = path.join(root, 'dist'), minify = true) {
    await rm(outdir, { recursive: true, force: true });
    const wasm = await writeAsset(outdir, 'member', 'wasm', await wasmModule());
    const worker = await writeAsset(outdir, 'worker', 'js', await workerScript(wasm, minify));
    const result = await build({
        ...shared,
        define: { ...shared.define, CONCLAVE_WORKER: JSON.stringify(worker) },
        entryPoints: { app: 'src/app/main.tsx', style: 'src/styles/main.css' },
        outdir,
        entryNames: 'assets/[name]-[hash]',
        chunkNames: 'assets/[name]-[hash]',
        assetNames: 'assets/[name]-[hash]',
        splitting: true,
        minify,
        metafile: true,
        logLevel: 'warning',
    });
    const outputs = Object.entries(result.metafile.outputs);
    const relative = (file) => '/' + path.relative(outdir, path.join(root, file)).split(path.sep).join('/');
    const find = (entry) => outputs.find(([, meta]) => meta.entryPoint === entry);
    const [appFile, appMeta] = find('src/app/main.tsx');
    const [styleFile] = find('src/styles/main.css');
    const statics = appMeta.imports.filter((i) => i.kind === 'import-statement').map((i) => relative(i.path));

    const icon = await writeAsset(outdir, 'icon', 'svg', await readFile(path.join(root, 'static/icon.svg')));
    const licence = await writeAsset(outdir, 'licences', 'txt', await licences());

    const template = await readFile(path.join(root, 'static/index.html'), 'utf8');
    const html = template
        .replace('{{icon}}', icon)
        .replace('{{licence}}', licence)
        .replace('{{css}}', relative(styleFile))
        .replace('{{js}}', relative(appFile))
        .replace('{{preload}}\n', statics.map((s) => `<link rel="modulepreload" href="${s}">\n`).join(''));
    await writeFile(path.join(outdir, 'index.html'), html);
    return { outdir, metafile: result.metafile, app: relative(appFile), style: relative(styleFile), icon, licence, wasm, worker };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const built = await buildClient(process.argv[2] ? path.resolve(process.argv[2]) : undefined);
    console.log(`built ${built.outdir}`);
}
