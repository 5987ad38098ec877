// A machine on which things go wrong: whoever reads the log stands still, the clock is set, the disk is full, the process is killed at any
// moment. Meetings go on, or one sentence says what to do.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { binary, startServer } from '../lib/server.mjs';

const wrongClock = path.resolve(path.dirname(binary), '../../tools/wrong-clock.so');
const sanitized = /asan|tsan/.test(binary);

const answers = async (server) => (await fetch(`${server.url}/`, { signal: AbortSignal.timeout(10_000) })).status;

/** Runs `serve` with this configuration until it ends; how, and what it said. */
function serveOnce(config, { through = [], env = {} } = {}) {
  const [command, ...args] = [...through, binary, 'serve', '--config', config];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal, output })));
  return { child, ended };
}

// ---- the log ----

test('who stops reading the log stops nobody, and is told later how many lines are missing', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-log-'));
  t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  const fifo = path.join(folder, 'log');
  execFileSync('mkfifo', [fifo]);
  // two openings: only ours does not wait
  const ours = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const theirs = fs.openSync(fifo, fs.constants.O_RDWR);
  t.defer(() => [ours, theirs].forEach((fd) => fs.closeSync(fd)));
  const server = await startServer(t, { log: theirs });
  const piece = Buffer.alloc(4096);
  let room = true;
  while (room) {
    try {
      fs.writeSync(ours, piece);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      room = false;
    }
  }
  for (let i = 0; i < 3; i++) {
    process.kill(server.pid, 'SIGHUP');
    await sleep(100);
    checkEqual(await answers(server), 200, 'the page while nobody reads');
  }
  const read = () => {
    try {
      return fs.readSync(ours, piece) > 0;
    } catch {
      return false;
    }
  };
  while (read());
  let log = '';
  process.kill(server.pid, 'SIGHUP');
  await until('a word about what is missing', () => {
    while (read()) log += piece.toString('latin1');
    return /warn [1-9]\d* lines of the log were lost/.test(log);
  });
});

test('a server that is started without standard descriptors prints into no file and no connection of its own', async (t) => {
  const server = await startServer(t);
  await server.stop();
  const child = spawn('sh', ['-c', 'exec "$0" "$@" <&- >&- 2>&-', binary, 'serve', '--config', path.join(server.dir, 'conclave.yaml')]);
  t.defer(() => child.kill('SIGKILL'));
  await until('it to serve', async () => (await answers(server)) === 200);
  checkEqual([0, 1, 2].map((fd) => fs.readlinkSync(`/proc/${child.pid}/fd/${fd}`)), ['/dev/null', '/dev/null', '/dev/null'], 'its standard descriptors');
  child.kill('SIGTERM');
  checkEqual(await new Promise((resolve) => child.once('exit', resolve)), 0, 'exit status');
});

// ---- the network ----

test('an interface or address that is named and not there is said, and not replaced by this machine', async (t) => {
  const server = await startServer(t);
  await server.stop();
  for (const wrong of ['rtc.interfaces=nosuch0', 'rtc.ips=203.0.113.9']) {
    const args = ['check', '--config', path.join(server.dir, 'conclave.yaml'), '--set', 'rtc.include_loopback=false', '--set', wrong];
    const { status, stdout } = spawnSync(binary, args, { encoding: 'utf8' });
    checkEqual(status, 1, `exit status with ${wrong}`);
    check(stdout.includes('no address to announce for media; check rtc.interfaces and rtc.ips'), stdout);
  }
});

// ---- the clock ----

const certificate = (port) =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const { valid_from, valid_to } = socket.getPeerCertificate();
      resolve({ from: Date.parse(valid_from), to: Date.parse(valid_to) });
      socket.destroy();
    });
    socket.once('error', reject);
  });

/** The server's processes: itself, and the one that keeps its secrets. */
const processes = (server) => [server.pid, ...fs.readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)];

const withClock = (startS, jumpS) => ({ LD_PRELOAD: wrongClock, WRONG_CLOCK_START: String(startS), WRONG_CLOCK_JUMP: String(jumpS) });

const YEAR_S = 365 * 24 * 3600;

if (!sanitized) {
  for (const [sentence, years] of [['in the past', -10], ['in the future', 10]]) {
    test(`a self-made certificate that was made ${sentence} is made anew when the clock is set`, async (t) => {
      const server = await startServer(t, { env: withClock(years * YEAR_S, -years * YEAR_S) });
      const first = await certificate(server.ports.https);
      check(first.from > Date.now() || first.to < Date.now(), 'it is valid now');
      for (const pid of processes(server)) process.kill(pid, 'SIGUSR2');
      await until('a certificate that is valid', async () => {
        const { from, to } = await certificate(server.ports.https);
        return from < Date.now() && to > Date.now();
      });
      check(/the clock of this machine was set \d+ seconds/.test(server.output), 'the log says so');
    });
  }

  test('a self-made certificate that is not valid yet is made anew at the start', async (t) => {
    const server = await startServer(t, { env: withClock(10 * YEAR_S, 0) });
    await server.stop();
    server.env = {};
    await server.start();
    check((await certificate(server.ports.https)).from < Date.now(), 'it begins in the future');
  });

  test('a meeting goes on while the clock is set by hours, forward and back', async (t) => {
    for (const hours of [6, -6]) {
      const server = await startServer(t, { env: withClock(0, hours * 3600) });
      const meeting = await server.newMeeting();
      const ann = await enter(t, server, meeting, 'Ann', { host: true });
      const bob = await enter(t, server, meeting, 'Bob');
      for (const pid of processes(server)) process.kill(pid, 'SIGUSR2');
      await until('the word about it', () => server.output.includes('the clock of this machine was set'));
      ann.tell({ op: 'chat', to: '', text: 'what time is it?' });
      await until('Bob to read it', () => bob.of('chat').some(({ text }) => text === 'what time is it?'));
      bob.cut();
      await until('Bob to be back', () => bob.of('token').length > 1 && bob.state === 'in');
      const reply = await fetch(`${server.url}/api/v2/meetings/${meeting.id}/files`, {
        method: 'POST', headers: { authorization: `Bearer ${bob.token}` }, body: 'sealed',
      });
      checkEqual(reply.status, 201, 'Bob sends a file');
      const eve = await enter(t, server, meeting, 'Eve');
      await until('three to be there', async () => (await eve.people()).people.length === 3);
      checkEqual(ann.closes, [], 'connections that Ann lost');
    }
  });
}

// ---- being killed ----

test('a server that is killed at any moment of its first starts serves at the next', async (t) => {
  const server = await startServer(t);
  await server.stop();
  const config = path.join(server.dir, 'conclave.yaml');
  for (let round = 0; round < 4; round++) {
    fs.rmSync(path.join(server.dir, 'data'), { recursive: true, force: true });
    // the first are killed before, the last after everything is there
    for (let i = 0; i < 6; i++) {
      const { child, ended } = serveOnce(config);
      await sleep(Math.random() * 40 * (i + 1));
      child.kill('SIGKILL');
      await ended;
    }
    await server.start();
    await server.stop();
  }
});

test('a self-made certificate whose renewal was cut short, or whose key is damaged, is made anew', async (t) => {
  const server = await startServer(t);
  const key = path.join(server.dir, 'data/tls/key.pem');
  const other = execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], { stdio: ['ignore', 'pipe', 'ignore'] });
  for (const bytes of [other, '', crypto.randomBytes(200)]) {
    await server.stop();
    fs.writeFileSync(key, bytes);
    await server.start();
    await certificate(server.ports.https);
  }
});

// ---- the disk ----

test('a secret that is a link to a disk that is not there is not made anew', async (t) => {
  const server = await startServer(t);
  await server.stop();
  for (const name of ['server.secret', 'house.key', 'keys.yaml']) {
    const file = path.join(server.dir, 'data', name);
    const config = path.join(server.dir, 'conclave.yaml');
    fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replace(/^keys:\n.*\n/m, ''));
    if (name === 'keys.yaml') fs.rmSync(file, { force: true });
    else fs.renameSync(file, `${file}.kept`);
    fs.symlinkSync('/nowhere/at/all', file);
    const { code, output } = await serveOnce(config).ended;
    checkEqual(code, 1, `exit status without ${name}`);
    check(output.includes(`${name} cannot be read`), output);
    checkEqual(fs.readlinkSync(file), '/nowhere/at/all', 'the link');
    fs.rmSync(file);
    if (name !== 'keys.yaml') fs.renameSync(`${file}.kept`, file);
  }
});

const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

if (canMount && !sanitized) {
  test('a full disk ends no meeting: files are refused, and taken again when there is room', async (t) => {
    // a disk of its own, seen by the server only
    const through = ['unshare', '-rm', 'sh', '-c', 'mkdir -p "$0" && mount -t tmpfs -o size=800k tmpfs "$0" && exec "$@"'];
    const server = await startServer(t, { through, extraConfig: 'meeting:\n  files_len_max: 104857600\n' });
    const meeting = await server.newMeeting();
    const ann = await enter(t, server, meeting, 'Ann', { host: true });
    const bob = await enter(t, server, meeting, 'Bob');
    const up = async (len) => {
      const reply = await fetch(`${server.url}/api/v2/meetings/${meeting.id}/files`, {
        method: 'POST', headers: { authorization: `Bearer ${ann.token}` }, body: crypto.randomBytes(len),
      }).catch((error) => ({ status: error.message }));
      return reply.status;
    };
    checkEqual(await up(200_000), 201, 'a file for which there is room');
    check((await up(2_000_000)) !== 201, 'a file for which there is none was taken');
    ann.tell({ op: 'chat', to: '', text: 'no room' });
    await until('Bob to read it', () => bob.of('chat').some(({ text }) => text === 'no room'));
    checkEqual(await up(200_000), 201, 'a file for which there is room again');
    process.kill(server.pid, 'SIGHUP');
    checkEqual(await answers(server), 200, 'the page');
    check((await server.metrics()).conclave_meeting_files_failed_total >= 1, 'it is counted');
    checkEqual([ann.closes, bob.closes], [[], []], 'connections that were lost');
  });
}
