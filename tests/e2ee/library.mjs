// Finds what was built: the WebAssembly module, its wrapper bundled for Node or for a page, the native peer.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { nodeCurves } from './node-curves.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = path.resolve(process.env.CONCLAVE_BIN ?? path.join(root, 'build/src/server/conclave'), '../../..');

export const wasmPath = path.join(build, 'tools/conclave_e2ee.wasm');
export const vectorsPath = path.join(build, 'tools/conclave_vectors.wasm');
export const peerPath = path.join(build, 'tools/mls-peer');

/** The wrapper as one file, or another script of its folder. */
export async function bundle(outfile, platform, script = 'index.ts') {
  const esbuild = createRequire(path.join(root, 'web/package.json'))('esbuild');
  await esbuild.build({
    entryPoints: [path.join(root, 'web/e2ee', script)], bundle: true, platform, format: 'esm', target: 'es2022', outfile, logLevel: 'warning',
  });
}

async function load(script) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'conclave-e2ee-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'e2ee.mjs');
  await bundle(file, 'node', script);
  return import(pathToFileURL(file));
}

/** {hostImports}: what the module imports, for a module of its own making. */
export const hostScript = () => load('host.ts');

let wrapper;
async function instance(curvesOf) {
  const e2ee = await (wrapper ??= load('index.ts'));
  const module = await e2ee.Module.load(readFileSync(wasmPath), { aead: e2ee.nobleAead, curves: curvesOf(e2ee.nobleCurves) });
  return { e2ee, module };
}

let loaded;
/** {e2ee, module}: the wrapper's exports and one instance. */
export const library = () => (loaded ??= instance((curves) => curves));

let loadedQuick;
/** The same over Node's curves. */
export const quickLibrary = () => (loadedQuick ??= instance(nodeCurves));
