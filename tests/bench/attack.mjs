// What somebody hostile costs the others, over real sockets: chat and joins of a meeting, and signalling of a room, while nobody attacks and
// while each attack goes on, in turns so that a busy machine weighs on both alike.
//
//     tools/node tests/bench/attack.mjs
import crypto from 'node:crypto';
import WebSocket from 'ws';
import { enter, Member } from '../lib/member.mjs';
import { publicOf } from '../lib/link.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { writeWire } from '../lib/wire.mjs';
import { percentile } from './measure.mjs';

const ROUNDS = 3;
const CHATS = 40;
const JOINS = 6;
const SIGNALS = 40;

const undo = [];
const t = { defer: (one) => undo.push(one) };
const server = await startServer(t, { extraConfig: 'limit:\n  joins_per_minute: 100000\n' });
const meeting = await server.newMeeting();
const ann = await enter(t, server, meeting, 'Ann', { host: true });
const bob = await enter(t, server, meeting, 'Bob');
const mallory = await enter(t, server, meeting, 'Mallory');
const theirs = await server.newMeeting();
const gang = [await enter(t, server, theirs, 'Mal', { host: true }), await enter(t, server, theirs, 'Mel'), await enter(t, server, theirs, 'Mol')];

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

/** Goes on until it is told to stop; `step` is called as fast as it returns. */
function attacker(step) {
  let going = true;
  const done = (async () => {
    while (going) await step().catch(() => undefined);
  })();
  return async () => {
    going = false;
    await done;
  };
}

const dial = (id) => {
  const socket = new WebSocket(`${server.wsUrl}/mls/v2/${id}`);
  socket.on('error', () => {});
  return socket;
};

/** Hellos without a good proof, on connections that are new each. */
const hellos = () => attacker(() => Promise.all(Array.from({ length: 8 }, () => new Promise((resolve) => {
  const socket = dial(meeting.id);
  const seat = crypto.randomBytes(32);
  socket.on('message', () => socket.send(writeWire({
    type: 'hello', how: 1, suite: meeting.suite, kind: meeting.kind, owner: meeting.owner, seat_key: publicOf(seat),
    key_package: crypto.randomBytes(2000), link_signature: crypto.randomBytes(64), leaf_signature: crypto.randomBytes(64),
  })));
  socket.on('close', resolve);
}))));

/** A member that sends whatever costs: refusals, broken commits, sealed messages, acks. */
const member = (who) => attacker(async () => {
  const { socket } = who;
  if (socket.readyState !== WebSocket.OPEN) return sleep(100);
  for (let i = 0; i < 20; i++) {
    socket.send(writeWire({ type: 'bad', epoch: 1 + (i % 3), status: 1 }));
    socket.send(writeWire({ type: 'ack', epoch: 1 }));
    socket.send(writeWire({ type: 'commit', commit: crypto.randomBytes(3000), group_info: crypto.randomBytes(3000) }));
  }
  who.tell({ op: 'chat', to: '', text: 'flood' });
  await sleep(1);
});

/** A meeting of their own, whose members do so, and come again and again. */
const gangs = () => {
  const stops = gang.map((who) => member(who));
  stops.push(attacker(async () => {
    const one = new Member(server, theirs, 'Again', {});
    one.start();
    await until('in or out', () => one.state === 'in' || one.ended, 5000).catch(() => undefined);
    one.stop();
  }));
  return () => Promise.all(stops.map((stop) => stop()));
};

/** In rooms of LiveKit's: lists of four thousand tracks to subscribe to, and sessions that connect anew. */
const lists = () => {
  const sids = Buffer.concat(Array.from({ length: 4000 }, (_, i) => Buffer.from([0x0a, 6, ...Buffer.from(`TR${String(i).padStart(4, '0')}`)])));
  const body = Buffer.concat([sids, Buffer.from([0x10, 1])]); // UpdateSubscription: track_sids, subscribe
  const length = [];
  for (let n = body.length; ; n >>= 7) {
    length.push(n > 127 ? (n & 127) | 128 : n);
    if (n <= 127) break;
  }
  const request = Buffer.concat([Buffer.from([0x32, ...length]), body]); // SignalRequest.subscription, field 6
  let n = 0;
  return attacker(async () => {
    const socket = await signal('loud', `m${n++ % 8}`);
    for (let i = 0; i < 50 && socket.readyState === WebSocket.OPEN; i++) {
      socket.send(request);
      await sleep(1);
    }
    socket.close();
  });
};

const attacks = { calm: null, 'hellos without proof': hellos, 'a hostile member': () => member(mallory), 'a hostile meeting': gangs, 'lists in a room': lists };
const kinds = { 'chat, ms': chats, 'join, ms': joins, 'signalling, ms': signals };
const results = Object.fromEntries(Object.keys(attacks).map((name) => [name, Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, begin] of Object.entries(attacks)) {
    const stop = begin?.();
    if (stop) await sleep(1000);
    for (const [kind, measure] of Object.entries(kinds)) results[name][kind].push(...(await measure()));
    await stop?.();
    await sleep(500);
  }
}
console.log(`${'p50 / p99'.padEnd(24)}${Object.keys(kinds).map((kind) => kind.padStart(22)).join('')}`);
for (const [name, of] of Object.entries(results)) {
  const cells = Object.values(of).map((times) => `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`.padStart(22));
  console.log(`${name.padEnd(24)}${cells.join('')}`);
}
const metrics = await server.metrics();
console.log(`held ${metrics.conclave_meeting_service_held_total}, refused ${metrics.conclave_meeting_service_no_entry_total}, closed for too much ${metrics.conclave_meeting_service_too_much_total}, rationed ${metrics.conclave_meeting_service_rationed_total}`);
while (undo.length > 0) await undo.pop()(null);
process.exit(0);
