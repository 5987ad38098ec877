// What whoever runs a server relies on: what somebody who takes it over can do, the service manager, renewed certificates,
// stopping without ending meetings.
import { execFileSync, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { enter, Member } from '../lib/member.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { check, checkEqual, run, sleep, test, until } from '../lib/runner.mjs';
import { found, memoryOf, needles } from '../lib/search.mjs';
import { apiSecret, binary, startServer } from '../lib/server.mjs';

const intruder = path.resolve(path.dirname(binary), '../../tools/intruder.so');
const here = path.dirname(fileURLToPath(import.meta.url));
// sanitizers make calls of their own, and such a build says that it has no sandbox
const sanitized = /asan|tsan/.test(binary);

/** What came of an act inside the server, in the words of errno; or the signal that ended it. */
async function intrude(t, act, { sandbox = true, env = {} } = {}) {
  const server = await startServer(t, { env: { ...env, LD_PRELOAD: intruder, INTRUDER: act }, extraConfig: `sandbox: ${sandbox}\n`, mayEnd: true });
  process.kill(server.pid, 'SIGUSR1');
  return until(`what comes of "${act}"`, () => {
    if (server.exit) return server.exit.signal ?? `ended with ${server.exit.code}`;
    return server.output.match(/^intruder: \S+ (\S+)$/m)?.[1];
  });
}

if (!sanitized) {
  test('who takes the server over reads and writes no file but those of its folders', async (t) => {
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-outside-'));
    t.defer(() => fs.rmSync(outside, { recursive: true, force: true }));
    checkEqual(await intrude(t, 'read /etc/passwd'), 'EACCES', 'reading /etc/passwd');
    checkEqual(await intrude(t, 'list /home'), 'EACCES', 'listing /home');
    checkEqual(await intrude(t, `write ${outside}/left-behind`), 'EACCES', 'writing elsewhere');
    checkEqual(await intrude(t, `make ${outside}/folder`), 'EACCES', 'making a folder elsewhere');
    checkEqual(await intrude(t, 'read /etc/passwd', { sandbox: false }), 'done', 'the same without the sandbox');
  });

  test('who takes the server over reaches no other service and no raw socket, and makes no memory executable', async (t) => {
    const listener = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    t.defer(() => new Promise((resolve) => listener.close(resolve)));
    const { port } = listener.address();
    checkEqual(await intrude(t, `connect ${port}`), 'EACCES', 'connecting');
    checkEqual(await intrude(t, 'raw'), 'ENOSYS', 'a raw socket');
    checkEqual(await intrude(t, 'code'), 'EPERM', 'executable memory');
    checkEqual(await intrude(t, `connect ${port}`, { sandbox: false }), 'done', 'connecting without the sandbox');
    checkEqual(await intrude(t, 'code', { sandbox: false }), 'done', 'executable memory without the sandbox');
  });

  test('a server that serves has no privilege to bind low ports, to trace or to administrate', async (t) => {
    const server = await startServer(t);
    const capabilities = () => BigInt('0x' + fs.readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/CapEff:\s+(\w+)/)[1]);
    for (const [name, bit] of [['NET_BIND_SERVICE', 10n], ['NET_RAW', 13n], ['SYS_PTRACE', 19n], ['SYS_ADMIN', 21n]]) {
      checkEqual(((capabilities() >> bit) & 1n) === 0n, true, `it has no CAP_${name}`);
    }
  });

  test('a server that starts a program, traces, forks or leaves its namespace ends at once', async (t) => {
    for (const act of ['run /bin/sh', 'fork', `trace ${process.pid}`, 'leave']) checkEqual(await intrude(t, act), 'SIGSYS', act);
    check((await intrude(t, 'fork', { sandbox: false })) === 'done', 'without the sandbox it may fork');
  });
}

// ---- certificates ----

function makeCertificate(folder, name) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', `/CN=${name}`,
    '-keyout', path.join(folder, 'key.pem.new'), '-out', path.join(folder, 'cert.pem.new')], { stdio: 'ignore' });
  for (const file of ['key.pem', 'cert.pem']) fs.renameSync(path.join(folder, `${file}.new`), path.join(folder, file));
}

const certificateName = (port, options = {}) =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.once('error', reject);
  });

function certificateFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-cert-'));
  t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  makeCertificate(folder, 'first');
  return folder;
}

const withCertificate = (folder) => ({ env: { CONCLAVE_TLS_CERT_FILE: `${folder}/cert.pem`, CONCLAVE_TLS_KEY_FILE: `${folder}/key.pem` } });

test('a renewed certificate is used at SIGHUP, and no meeting notices', async (t) => {
  const folder = certificateFolder(t);
  const server = await startServer(t, withCertificate(folder));
  const meeting = await server.newMeeting();
  const ada = await enter(t, server, meeting, 'Ada', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  checkEqual(await certificateName(server.ports.https), 'first', 'the certificate');
  makeCertificate(folder, 'second');
  process.kill(server.pid, 'SIGHUP');
  await until('the second certificate', async () => (await certificateName(server.ports.https)) === 'second');
  checkEqual([ada.closes, bob.closes], [[], []], 'connections that were lost');
});

test('a renewed certificate is found without being told', async (t) => {
  const folder = certificateFolder(t);
  const server = await startServer(t, withCertificate(folder));
  makeCertificate(folder, 'second');
  await until('the second certificate', async () => (await certificateName(server.ports.https)) === 'second', 30_000, 500);
});

test('a certificate without its key is not taken, and the former one stays in use', async (t) => {
  const folder = certificateFolder(t);
  const server = await startServer(t, withCertificate(folder));
  const other = certificateFolder(t);
  fs.copyFileSync(path.join(other, 'cert.pem'), path.join(folder, 'cert.pem'));
  process.kill(server.pid, 'SIGHUP');
  await until('a word about it', () => server.output.includes('the former one stays in use'));
  checkEqual(await certificateName(server.ports.https), 'first', 'the certificate');
  makeCertificate(folder, 'third');
  process.kill(server.pid, 'SIGHUP');
  await until('the third certificate', async () => (await certificateName(server.ports.https)) === 'third');
});

// ---- secrets ----

const keeperOf = (server) => Number(execFileSync('pgrep', ['-P', String(server.pid), '-x', 'conclave-keys']).toString().trim());

/** The private number of a P-256 key in PEM. */
function privateNumber(pem) {
  return Buffer.from(createPrivateKey(pem).export({ format: 'jwk' }).d, 'base64url');
}

function secretsOf(server) {
  const read = (name) => fs.readFileSync(path.join(server.dir, 'data', name), 'utf8').trim();
  const scalar = privateNumber(read('tls/key.pem'));
  return needles({
    texts: { 'the API secret': apiSecret, 'the secret of another key': 'words-on-the-command-line-are-secret-too' },
    keys: {
      'server.secret': Buffer.from(read('server.secret'), 'base64url'),
      'house.key': Buffer.from(read('house.key'), 'base64url'),
      'the TLS key': scalar,
      'the TLS key, lowest byte first': Buffer.from(scalar).reverse(),
    },
  });
}

test('in the memory of a server that serves there is no secret that outlives it; they are with its keeper', async (t) => {
  const server = await startServer(t, { args: ['--keys', 'other: words-on-the-command-line-are-secret-too'] });
  const meeting = await server.newMeeting();
  await enter(t, server, meeting, 'Ada', { host: true });
  await server.api().createRoom({ name: 'a room by token' });
  checkEqual(await certificateName(server.ports.https), 'Conclave', 'a handshake');
  const secrets = secretsOf(server);
  checkEqual(found(secrets, memoryOf(server.pid)), [], 'secrets in the memory of the server');
  const kept = found(secrets, memoryOf(keeperOf(server))).map((hit) => hit.replace(/ \(.*/, ''));
  for (const secret of ['the API secret', 'the secret of another key', 'server.secret', 'the TLS key']) {
    check(kept.includes(secret), `the keeper has ${secret}, so that it would have been found; it has ${kept}`);
  }
  const words = fs.readFileSync(`/proc/${server.pid}/cmdline`, 'latin1') + fs.readFileSync(`/proc/${server.pid}/environ`, 'latin1');
  check(!words.includes('words-on-the-command-line'), 'the command line shows no secret while the server runs');
});

if (!sanitized) {
  test('who takes the server over reads and changes no file with a secret', async (t) => {
    const intrudeFile = (act, file, options = {}) => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-data-'));
      t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
      return intrude(t, `${act} ${folder}/${file}`, { ...options, env: { CONCLAVE_DATA_DIR: folder } });
    };
    for (const file of ['server.secret', 'house.key', 'tls/key.pem']) {
      checkEqual(await intrudeFile('read', file), 'EACCES', `reading ${file}`);
      checkEqual(await intrudeFile('write', file), 'EACCES', `writing ${file}`);
    }
    checkEqual(await intrudeFile('read', 'server.secret', { sandbox: false }), 'done', 'the same without the sandbox');
    checkEqual(await intrude(t, `list /proc/${process.pid}`), 'EACCES', 'looking at another process');
  });
}

test('a server whose keeper ends says so and ends with a failure, and a keeper whose server ends is gone', async (t) => {
  const server = await startServer(t, { mayEnd: true });
  process.kill(keeperOf(server), 'SIGKILL');
  await until('the end of the server', () => server.exit !== null);
  checkEqual(server.exit, { code: 1, signal: null }, 'how it ended');
  check(server.output.includes('the process that keeps the keys does not answer any more'), server.output);
  const other = await startServer(t, { mayEnd: true });
  const keeper = keeperOf(other);
  process.kill(other.pid, 'SIGKILL');
  await until('the end of the keeper', () => !fs.existsSync(`/proc/${keeper}`) || /^State:\s+Z/m.test(fs.readFileSync(`/proc/${keeper}/status`, 'utf8')));
});

test('a certificate with an RSA key serves TLS 1.2 and 1.3 through the keeper', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-cert-'));
  t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=rsa', '-keyout', path.join(folder, 'key.pem'),
    '-out', path.join(folder, 'cert.pem')], { stdio: 'ignore' });
  const server = await startServer(t, withCertificate(folder));
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    checkEqual(await certificateName(server.ports.https, { minVersion: version, maxVersion: version }), 'rsa', version);
  }
  checkEqual(await certificateName(server.ports.https, { maxVersion: 'TLSv1.2', sigalgs: 'RSA+SHA256' }), 'rsa', 'RSASSA-PKCS1-v1_5');
});

// ---- draining ----

function drain(t, server, ...options) {
  const child = spawn(binary, ['drain', '--config', path.join(server.dir, 'conclave.yaml'), ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  const command = { output: '', code: null };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (command.output += chunk));
  child.once('exit', (code) => (command.code = code));
  t.defer(() => child.exitCode === null && child.kill());
  return command;
}

const newMeetingStatus = (server) => server.newMeeting().then(() => 201, (error) => Number(/^no meeting: (\d+)/.exec(error.message)?.[1]));

test('a draining server begins no meeting, lets the running one take who comes, and ends with it', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const idle = await server.newMeeting();
  const ada = await enter(t, server, meeting, 'Ada', { host: true });
  const command = drain(t, server, '--within', '600');
  await until('the word that it drains', () => command.output.includes('draining: 1 meetings'));
  checkEqual(await newMeetingStatus(server), 503, 'a new meeting');
  const refused = await fetch(`${server.url}/rtc/validate?access_token=${await server.token('new-room', 'eve')}`);
  checkEqual(refused.status, 503, 'a new room');
  check((await refused.text()).includes('about to stop'), 'the refusal says why');
  await until('Ada to be told', () => ada.of('closing').length > 0);
  check(ada.of('closing')[0].number > 590, `told of ${ada.of('closing')[0].number} s`);
  const late = new Member(server, idle, 'Late', { host: true });
  t.defer(() => late.stop());
  late.start();
  await until('whoever would begin another to be told', () => late.of('closing').length > 0 && late.closes.length > 0);
  checkEqual([late.closes[0], late.ended], [1001, null], 'how it is closed');
  const bob = await enter(t, server, meeting, 'Bob');
  await until('both to see each other', async () => (await ada.people()).people.length === 2 && (await bob.people()).people.length === 2);
  ada.tell({ op: 'leave' });
  bob.tell({ op: 'leave' });
  await until('the server to end', () => server.exit !== null);
  checkEqual(server.exit.code, 0, 'exit status');
  await until('the command to end', () => command.code !== null);
  checkEqual(command.code, 0, 'exit status of the command');
  check(command.output.includes('the server has ended'), command.output);
});

test('draining ends when its time is over, and can be called off before', async (t) => {
  const server = await startServer(t);
  const room = await rtcNodeParticipant(t, server.wsUrl, await server.token('standup', 'ada'));
  const first = drain(t, server, '--within', '600', '--no-wait');
  await until('the command', () => first.code === 0);
  checkEqual(await newMeetingStatus(server), 503, 'a new meeting');
  const off = drain(t, server, '--cancel');
  await until('the command', () => off.code === 0);
  checkEqual(await newMeetingStatus(server), 201, 'a new meeting after that');
  checkEqual(room.seen.disconnected, 0, 'disconnects');
  drain(t, server, '--within', '1');
  await until('the server to end', () => server.exit !== null);
  checkEqual(server.exit.code, 0, 'exit status');
});

test('SIGTERM waits for running meetings as long as stop_after says; a second one does not', async (t) => {
  const server = await startServer(t, { extraConfig: 'stop_after: 600' });
  const meeting = await server.newMeeting();
  const ada = await enter(t, server, meeting, 'Ada', { host: true });
  server.process.kill('SIGTERM');
  await until('no new meetings', async () => (await newMeetingStatus(server)) === 503);
  await sleep(500);
  checkEqual([server.exit, ada.closes], [null, []], 'the meeting goes on');
  server.process.kill('SIGTERM');
  await until('the server to end', () => server.exit !== null);
  checkEqual(server.exit.code, 0, 'exit status');
});

test('drain says what is wrong when no server runs', async (t) => {
  const server = await startServer(t);
  await server.stop();
  const command = drain(t, server);
  await until('the command', () => command.code !== null);
  checkEqual(command.code, 1, 'exit status');
  check(/no server can be reached at .*admin.sock.*is it running/.test(command.output), command.output);
});

test('a second server does not start on the same data folder, and one after a kill does', async (t) => {
  const server = await startServer(t);
  const second = spawn(binary, ['serve', '--config', path.join(server.dir, 'conclave.yaml')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  second.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => second.once('exit', resolve));
  checkEqual(code, 1, 'exit status');
  check(output.includes('another server is running with the data folder'), output);
  server.process.kill('SIGKILL');
  await server.ended;
  await server.start();
});

// ---- the service manager ----

test('the service manager hears when the server is ready, that it lives, and when it stops', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-notify-'));
  t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  const address = path.join(folder, 'notify');
  const manager = spawn('python3', [path.join(here, 'notify.py'), address], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.defer(() => manager.kill());
  let heard = '';
  manager.stdout.on('data', (chunk) => (heard += chunk));
  await until('the manager', () => heard.includes('listening'));
  const server = await startServer(t, { env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: '4000000' } });
  await until('READY', () => heard.includes('READY=1'));
  await until('three signs of life', () => heard.split('WATCHDOG=1').length > 3, 30_000);
  await server.stop();
  check(heard.includes('STOPPING=1'), heard);
});

await import('./disasters.mjs');
await run('operations');
