// Bundles every tests/*.test.ts with esbuild and runs them under node's own test runner.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(path.join(tmpdir(), 'conclave-web-tests-'));
let status = 1;
try {
    const entryPoints = readdirSync(here)
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => path.join(here, name));
    await build({
        entryPoints,
        outdir: out,
        outExtension: { '.js': '.mjs' },
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node18',
        jsx: 'automatic',
        jsxImportSource: 'preact',
        sourcemap: 'inline',
        logLevel: 'warning',
    });
    process.env.CONCLAVE_MEMBER_HEADER = path.join(here, '../../src/member/member.h');
    // The module that tests of the encryption run is the one that meetings run.
    process.env.CONCLAVE_MEMBER_WASM ??= path.join(out, 'member.wasm');
    if (!existsSync(process.env.CONCLAVE_MEMBER_WASM)) {
        execFileSync(path.join(here, '../../tools/build-wasm'), ['--member', process.env.CONCLAVE_MEMBER_WASM], {
            stdio: 'inherit',
        });
    }
    const files = readdirSync(out)
        .filter((name) => name.endsWith('.mjs'))
        .map((name) => path.join(out, name));
    status =
        spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' }).status ?? 1;
} finally {
    rmSync(out, { recursive: true, force: true });
}
process.exit(status);
