// What somebody hostile costs the others, over real sockets: chat and joins of a meeting, and signalling of a room, while nobody attacks and
// while each attack goes on, in turns so that a busy machine weighs on both alike. Who attacks takes processor time, too, and where there are few
// processors that is what the others feel most; what the server itself makes others wait for is how long its control thread's turns are, in
// processor time (tools/turns.c).
//
//     tools/node tests/bench/attack.mjs
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import WebSocket from 'ws';
import { enter } from '../lib/member.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { binary, startServer } from '../lib/server.mjs';
import { percentile } from './measure.mjs';

const ROUNDS = 3;
const CHATS = 40;
const JOINS = 6;
const SIGNALS = 40;

const undo = [];
const t = { defer: (one) => undo.push(one) };
const turnsLibrary = path.resolve(path.dirname(binary), '../../tools/turns.so');
const server = await startServer(t, { extraConfig: 'limit:\n  joins_per_minute: 100000\n', env: { LD_PRELOAD: turnsLibrary } });
const meeting = await server.newMeeting();
const ann = await enter(t, server, meeting, 'Ann', { host: true });
const bob = await enter(t, server, meeting, 'Bob');
const theirs = await server.newMeeting();

/** A stock client's WebSocket in a room, and its ping of the protocol (SignalRequest.ping, field 14), answered by the control thread. */
async function signal(room, identity) {
  const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${await server.token(room, identity)}`);
  socket.on('error', () => {});
  await new Promise((resolve, reject) => socket.once('message', resolve).once('close', reject));
  return socket;
}

async function chats() {
  const times = [];
  for (let i = 0; i < CHATS; i++) {
    const text = crypto.randomUUID();
    const from = performance.now();
    ann.tell({ op: 'chat', to: '', text });
    while (!bob.events.some((event) => event.type === 'chat' && event.text === text)) await sleep(1);
    times.push(performance.now() - from);
    await sleep(55); // below the rate of a person's messages
  }
  return times;
}

async function joins() {
  const times = [];
  for (let i = 0; i < JOINS; i++) {
    const from = performance.now();
    const guest = await enter(t, server, meeting, `Guest ${i}`);
    times.push(performance.now() - from);
    guest.tell({ op: 'leave' });
    await sleep(300);
    guest.stop();
  }
  return times;
}

async function signals() {
  const times = [];
  const quiet = await signal('quiet', 'one'); // it has no media, and would be put out for that after a while
  await sleep(200);
  for (let i = 0; i < SIGNALS; i++) {
    const from = performance.now();
    const answered = new Promise((resolve) => quiet.once('message', resolve));
    quiet.send(Buffer.from([0x70, 1])); // field 14, varint: the client's clock
    await answered;
    times.push(performance.now() - from);
    await sleep(20);
  }
  quiet.close();
  return times;
}

/** Starts one of attacker.mjs; answers how it is ended. */
async function begin(name) {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'attacker.mjs'), name], {
    env: { ...process.env, ATTACK: JSON.stringify({ ports: server.ports, meeting, theirs }) }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  await sleep(1000);
  return () => new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
}

/** The turns of the control thread since the last time, in microseconds: [how many, p50, p99, p99.9, longest]. */
async function turns() {
  const known = server.output.split('turns:').length;
  process.kill(server.pid, 'SIGUSR2');
  await until('the turns', () => server.output.split('turns:').length > known && server.output.endsWith('\n'));
  return server.output.split('turns:').at(-1).trim().split('\n')[0].split(' ').map(Number);
}

const attacks = { calm: null, 'hellos without proof': 'hellos', 'a hostile member': 'member', 'a hostile meeting': 'gang', 'lists in a room': 'lists' };
const kinds = { 'chat, ms': chats, 'join, ms': joins, 'signalling, ms': signals };
const results = Object.fromEntries(Object.keys(attacks).map((name) => [name, Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))]));
const taken = Object.fromEntries(Object.keys(attacks).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, attack] of Object.entries(attacks)) {
    const stop = attack && (await begin(attack));
    await turns();
    for (const [kind, measure] of Object.entries(kinds)) results[name][kind].push(...(await measure()));
    taken[name].push(await turns());
    await stop?.();
    await sleep(500);
  }
}
console.log(`${'p50 / p99'.padEnd(24)}${Object.keys(kinds).map((kind) => kind.padStart(22)).join('')}`);
for (const [name, of] of Object.entries(results)) {
  const cells = Object.values(of).map((times) => `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`.padStart(22));
  console.log(`${name.padEnd(24)}${cells.join('')}`);
}
console.log('\nturns of the control thread, µs of processor time: p50, p99, p99.9, longest (the worst of the rounds)');
for (const [name, of] of Object.entries(taken)) console.log(`${name.padEnd(24)}${[1, 2, 3, 4].map((i) => String(Math.max(...of.map((one) => one[i]))).padStart(10)).join('')}`);
const metrics = await server.metrics();
console.log(`held ${metrics.conclave_meeting_service_held_total}, refused ${metrics.conclave_meeting_service_no_entry_total}, closed for too much ${metrics.conclave_meeting_service_too_much_total}, rationed ${metrics.conclave_meeting_service_rationed_total}`);
while (undo.length > 0) await undo.pop()(null);
process.exit(0);
