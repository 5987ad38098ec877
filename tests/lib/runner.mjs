// A small sequential test runner: tests register with test(), run() runs them, prints a line each and, when the
// environment names a file in RESULTS, appends a JSON line {"name","ok","ms","why"} per test to it.
import fs from 'node:fs';

// The machine may be busy with something else, or the server be built with sanitizers: limits are for hanging tests, not
// for measuring.
export const PATIENCE = Number(process.env.PATIENCE ?? 2);

const registered = [];
const onlyMatching = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));

export function test(name, options, body) {
  if (typeof options === 'function') registered.push({ name, timeoutMs: 60_000, body: options });
  else registered.push({ name, timeoutMs: options.timeoutMs ?? 60_000, body });
}

function withTimeout(promise, ms, name) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`"${name}" took longer than ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function runOne(entry) {
  const cleanups = [];
  const context = {
    /** Registers what must be undone whatever happens; run last in, first out. */
    defer: (undo) => cleanups.push(undo),
    note: (text) => console.log(`    ${text}`),
  };
  const started = Date.now();
  let failure = null;
  try {
    await withTimeout(Promise.resolve(entry.body(context)), entry.timeoutMs * PATIENCE, entry.name);
  } catch (error) {
    failure = error;
  }
  for (const undo of cleanups.reverse()) {
    try {
      await withTimeout(Promise.resolve(undo(failure)), 60_000, `cleanup of ${entry.name}`);
    } catch (error) {
      failure ??= error;
    }
  }
  return { name: entry.name, ok: failure === null, ms: Date.now() - started, failure };
}

export async function run(suite) {
  let passed = 0;
  let failed = 0;
  for (const entry of registered) {
    if (onlyMatching.length > 0 && !onlyMatching.some((word) => entry.name.includes(word))) continue;
    const result = await runOne(entry);
    console.log(`${result.ok ? 'ok' : 'not ok'} - ${suite}: ${result.name} (${(result.ms / 1000).toFixed(1)} s)`);
    if (!result.ok) console.log(String(result.failure?.stack ?? result.failure).replace(/^/gm, '    '));
    if (process.env.RESULTS) {
      const why = result.ok ? '' : String(result.failure?.message ?? result.failure);
      const line = { name: `${suite}: ${result.name}`, ok: result.ok, ms: result.ms, why };
      fs.appendFileSync(process.env.RESULTS, JSON.stringify(line) + '\n');
    }
    if (result.ok) passed++;
    else failed++;
  }
  console.log(`${passed} passed, ${failed} failed`);
  // open handles of native modules must not keep a finished run alive
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function checkEqual(actual, expected, what) {
  const a = JSON.stringify(actual);
  const b = JSON.stringify(expected);
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until `probe` answers something truthy, and answers that; the error names what was waited for. */
export async function until(what, probe, timeoutMs = 15_000, everyMs = 100) {
  const deadline = Date.now() + timeoutMs * PATIENCE;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${(timeoutMs * PATIENCE) / 1000} s in vain for: ${what} (last: ${last?.message ?? JSON.stringify(last)})`);
    }
    await sleep(everyMs);
  }
}
