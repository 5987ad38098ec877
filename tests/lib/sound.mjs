// A sound server with a silent output: Firefox runs no AudioContext on a machine without any.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { until } from './runner.mjs';

let started = null;

async function start() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-sound-'));
  const socket = path.join(dir, 'native');
  const child = spawn(
    'pulseaudio',
    [
      '-n', '--daemonize=no', '--exit-idle-time=-1', '--disable-shm=yes', '--log-level=error',
      `--load=module-native-protocol-unix auth-anonymous=1 socket=${socket}`,
      '--load=module-null-sink sink_name=silent',
    ],
    { env: { ...process.env, HOME: dir, XDG_RUNTIME_DIR: dir }, stdio: 'ignore' },
  );
  let failure = null;
  child.once('error', (error) => (failure = new Error(`pulseaudio: ${error.message} (package "pulseaudio")`)));
  process.once('exit', () => {
    child.kill('SIGKILL');
    fs.rmSync(dir, { recursive: true, force: true });
  });
  await until('the sound server', () => {
    if (failure) throw failure;
    return fs.existsSync(socket);
  }, 10_000);
  return { PULSE_SERVER: `unix:${socket}` };
}

/** Environment variables that lead a browser to the silent output; one server per test process. */
export function silentOutput() {
  started ??= start();
  return started;
}
