// How much memory the server takes when strangers fill what it keeps for them: connections that wait, heads and messages that do not end,
// messages that nobody reads. All over real sockets; the figure to compare with is "The HTTP server at its worst" in docs/architecture.md.
//
//     tools/node tests/bench/memory.mjs
import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { sleep, until } from '../lib/runner.mjs';
import { rssBytes, startServer } from '../lib/server.mjs';
import { row } from './measure.mjs';

const undo = [];
const t = { defer: (one) => undo.push(one) };
const server = await startServer(t, { extraConfig: 'limit:\n  max_metadata_size: 524288\n' });
const sockets = [];
const closes = [];
const show = async (what) => {
  await sleep(1500);
  const metrics = await server.metrics();
  row(what, `${(rssBytes(server.pid) / 1e6).toFixed(0).padStart(5)} MB (at most ${(highest / 1e6).toFixed(0)}), ${metrics.conclave_http_connections} connections, ${metrics.conclave_server_ws_shed_total} shed, ${metrics.conclave_server_ws_overflow_total} over their share`);
};

const keep = (socket) => {
  sockets.push(socket);
  socket.on('error', () => {});
  socket.on('close', () => closes.push(socket));
  return socket;
};

const dial = () =>
  new Promise((resolve, reject) => {
    const socket = keep(net.connect({ host: '127.0.0.1', port: server.ports.http }));
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });

const dialTls = () =>
  new Promise((resolve, reject) => {
    const socket = keep(tls.connect({ host: '127.0.0.1', port: server.ports.https, rejectUnauthorized: false }));
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  });

async function upgrade(socket, path) {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  await new Promise((resolve, reject) => socket.once('data', resolve).once('close', reject));
  return socket;
}

/** One masked frame, with a mask of zeros. `final`: of its message. */
function frame(bytes, { final = true, first = true, len = bytes.length } = {}) {
  const head = Buffer.alloc(14);
  head[0] = (final ? 0x80 : 0) | (first ? 2 : 0);
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(len), 2);
  return Buffer.concat([head, bytes]);
}

const varint = (n) => {
  const out = [];
  for (; n > 127; n >>= 7) out.push((n & 127) | 128);
  return Buffer.from([...out, n]);
};
const field = (number, bytes) => Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);

let highest = 0;
const watching = setInterval(() => (highest = Math.max(highest, rssBytes(server.pid))), 100);
await show('at rest');
const TLS = Number(process.env.TLS ?? 4000);

/** Connections over TLS that wait: what each costs. */
async function idle() {
  const before = rssBytes(server.pid);
  for (let n = 0; n < TLS; n += 16) await Promise.all(Array.from({ length: 16 }, dialTls));
  row(`of ${TLS} connections over TLS each`, `${((rssBytes(server.pid) - before) / TLS / 1000).toFixed(1)} kB`);
}

/** In rooms of their own, what they say of themselves, which comes back to them and is not read: 256 MiB, 6 of one. */
const unread = () => Promise.all(Array.from({ length: 56 }, async (_, i) => {
  const token = await server.token(`mine${i}`, 'me', { canUpdateOwnMetadata: true });
  const socket = await upgrade(i % 2 ? await dialTls() : await dial(), `/rtc?access_token=${token}`);
  socket.pause();
  for (let n = 0; n < 16 && !socket.destroyed; n++) {
    socket.write(frame(field(15, field(1, Buffer.from(crypto.randomBytes(220_000).toString('hex'))))));
    await sleep(100);
  }
}));

/** Messages that do not end: 64 MiB, 2 of one. */
const unfinished = () => Promise.all(Array.from({ length: 40 }, async (_, i) => {
  const socket = await upgrade(await dial(), `/rtc?access_token=${await server.token(`part${i}`, 'me')}`);
  socket.resume();
  socket.write(frame(Buffer.alloc(1_900_000, 1), { final: false }));
}));

/** Heads that do not end: 64 MiB, 80 kB of one. */
const heads = () => Promise.all(Array.from({ length: 900 }, async () => {
  const socket = await dial();
  socket.resume();
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(75_000)}`);
}));

await idle();
await show('connections over TLS that wait');
await unfinished();
await show('and WebSocket messages that do not end');
await Promise.all([unread(), sleep(2000).then(heads)]);
await show('and heads that do not end, and messages that nobody reads');
row('highest', `${(highest / 1e6).toFixed(0)} MB`);
sockets.forEach((socket) => socket.destroy());
await until('the connections to end', async () => (await server.metrics()).conclave_http_connections < 10, 60_000);
await show('when they have gone');
clearInterval(watching);
while (undo.length > 0) await undo.pop()(null);
process.exit(0);
