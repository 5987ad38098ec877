// Whoever is hostile, in a process of its own, so that it takes nothing from who measures (attack.mjs): `attacker.mjs NAME` and, as JSON in
// the environment, where. It says "ready", and goes on until it is ended.
import crypto from 'node:crypto';
import WebSocket from 'ws';
import { enter, Member } from '../lib/member.mjs';
import { publicOf } from '../lib/link.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { Server } from '../lib/server.mjs';
import { writeWire } from '../lib/wire.mjs';

const where = JSON.parse(process.env.ATTACK, (key, value) => (value?.type === 'Buffer' ? Buffer.from(value.data) : value));
const { meeting, theirs } = where;
const server = new Server(where.ports, '');
const undo = [];
const t = { defer: (one) => undo.push(one) };
process.on('SIGTERM', async () => {
  while (undo.length > 0) await undo.pop()(null);
  process.exit(0);
});

/** As fast as `step` returns. */
async function again(step) {
  for (;;) await step().catch(() => undefined);
}

const dial = (id) => {
  const socket = new WebSocket(`${server.wsUrl}/mls/v2/${id}`);
  socket.on('error', () => {});
  return socket;
};

/** Hellos without a good proof, on connections that are new each. */
const hellos = () => again(() => Promise.all(Array.from({ length: 8 }, () => new Promise((resolve) => {
  const socket = dial(meeting.id);
  const seat = crypto.randomBytes(32);
  socket.on('message', () => socket.send(writeWire({
    type: 'hello', how: 1, suite: meeting.suite, kind: meeting.kind, owner: meeting.owner, seat_key: publicOf(seat),
    key_package: crypto.randomBytes(2000), link_signature: crypto.randomBytes(64), leaf_signature: crypto.randomBytes(64),
  })));
  socket.on('close', resolve);
}))));

/** A member that sends whatever costs: refusals, broken commits, sealed messages, acks. */
const floods = (who) => again(async () => {
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

/** In the meeting of the others. */
const member = async () => floods(await enter(t, server, meeting, 'Mallory'));

/** A meeting of their own, whose members do so, and come again and again. */
const gang = async () => {
  const members = [await enter(t, server, theirs, 'Mal', { host: true }), await enter(t, server, theirs, 'Mel'), await enter(t, server, theirs, 'Mol')];
  return Promise.all([...members.map(floods), again(async () => {
    const one = new Member(server, theirs, 'Again', {});
    one.start();
    await until('in or out', () => one.state === 'in' || one.ended, 5000).catch(() => undefined);
    one.stop();
  })]);
};

async function connect(room, identity) {
  const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${await server.token(room, identity)}`);
  socket.on('error', () => {});
  await new Promise((resolve, reject) => socket.once('message', resolve).once('close', reject));
  return socket;
}

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
  return again(async () => {
    const socket = await connect('loud', `m${n++ % 8}`);
    for (let i = 0; i < 50 && socket.readyState === WebSocket.OPEN; i++) {
      socket.send(request);
      await sleep(1);
    }
    socket.close();
  });
};

const running = { hellos, member, gang, lists }[process.argv[2]]();
console.log('ready');
await running;
