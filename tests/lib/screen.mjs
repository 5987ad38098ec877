// A screen that nobody looks at: Firefox shares a screen only where there is one.
import { spawn } from 'node:child_process';
import { until } from './runner.mjs';

let started = null;

async function start() {
  const child = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let failure = null;
  let number = '';
  child.once('error', (error) => (failure = new Error(`Xvfb: ${error.message} (package "xvfb")`)));
  child.stdout.on('data', (chunk) => (number += chunk));
  process.once('exit', () => child.kill('SIGKILL'));
  await until('the screen', () => {
    if (failure) throw failure;
    return number.endsWith('\n');
  }, 10_000);
  return { DISPLAY: `:${number.trim()}` };
}

/** Environment variables that lead a browser to the screen; one screen per test process. */
export function unseenScreen() {
  started ??= start();
  return started;
}
