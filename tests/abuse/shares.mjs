// Nobody gets all of what the server's sockets share, and none of it can be used up so that the server spins.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import WebSocket from 'ws';
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { enter } from '../lib/member.mjs';
import { cpuSeconds, startServer } from '../lib/server.mjs';

function dial(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  return socket;
}

const descriptors = (server) => fs.readdirSync(`/proc/${server.pid}/fd`).length;

test('a server without descriptors rests, says so once, and serves again when there are some', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  // as many more as this for everything that comes
  execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${descriptors(server) + 20}:`]);
  const sockets = [];
  for (let i = 0; i < 60; i++) sockets.push(dial(server.ports.http), dial(server.ports.tcp));
  await until('the log to tell', () => /no descriptors are left/.test(server.output));
  const before = cpuSeconds(server.pid);
  const started = process.hrtime.bigint();
  await sleep(3000);
  const spent = cpuSeconds(server.pid) - before;
  const passed = Number(process.hrtime.bigint() - started) / 1e9;
  t.note(`${spent.toFixed(2)} s of processor time in ${passed.toFixed(1)} s without descriptors`);
  check(spent < passed / 4, `it spins: ${spent} s of processor time in ${passed} s`);
  check(server.alive(), 'the server is up');
  sockets.forEach((socket) => socket.destroy());
  await until('the server to serve again', async () => (await fetch(server.url + '/', { signal: AbortSignal.timeout(2000) })).status === 200);
  const metrics = await server.metrics();
  check(metrics.conclave_server_http_no_descriptor_total > 0 && metrics.conclave_io_tcp_no_descriptor_total > 0, 'it is counted');
  checkEqual(server.output.match(/no descriptors are left/g).length <= 2, true, 'said once for pages and once for media');
});

/** An upload that sends its head and then a byte now and then; resolves with the status when the server answers, 0 when it only closes. */
function drip(server, meeting, token) {
  const socket = dial(server.ports.http);
  let text = '';
  const timer = setInterval(() => socket.write('x'), 1000);
  socket.write(`POST /api/v2/meetings/${meeting.id}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000000\r\n\r\nx`);
  const status = new Promise((resolve) => {
    socket.on('data', (bytes) => (text += bytes));
    socket.on('close', () => {
      clearInterval(timer);
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0));
    });
  });
  return { socket, status };
}

test('one member’s dripping uploads leave room for the files of others, and are ended', { timeoutMs: 180_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const other = await server.newMeeting();
  const mallory = await enter(t, server, meeting, 'Mallory');
  const ann = await enter(t, server, meeting, 'Ann');
  const bob = await enter(t, server, other, 'Bob');
  const drips = Array.from({ length: 80 }, () => drip(server, meeting, mallory.token));
  t.defer(() => drips.forEach(({ socket }) => socket.destroy()));
  const refused = await until('those above the share to be refused', async () => {
    const metrics = await server.metrics();
    return metrics.conclave_meeting_files_refused_share_total >= 76 && metrics.conclave_meeting_files_refused_share_total;
  });
  checkEqual(refused, 76, 'uploads refused of 80');
  for (const [member, place] of [[ann, meeting], [bob, other]]) {
    const reply = await fetch(`${server.url}/api/v2/meetings/${place.id}/files`, {
      method: 'POST', headers: { authorization: `Bearer ${member.token}` }, body: Buffer.alloc(100_000) });
    checkEqual(reply.status, 201, 'a file of somebody else');
  }
  const statuses = await Promise.all(drips.map(({ status }) => status));
  checkEqual(statuses.filter((status) => status === 429).length, 76, 'refused with 429');
  checkEqual(statuses.filter((status) => status === 408).length, 4, 'ended with 408');
});

test('over TLS, too, a file goes up and comes down whole to who reads slowly, and a long message is answered', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann');
  const at = { host: '127.0.0.1', port: server.ports.https, rejectUnauthorized: false, headers: { authorization: `Bearer ${ann.token}` } };
  const path = `/api/v2/meetings/${meeting.id}/files`;
  const sealed = crypto.randomBytes(20_000_000);
  const id = await new Promise((resolve, reject) => {
    const request = https.request({ ...at, path, method: 'POST', headers: { ...at.headers, 'content-length': sealed.length, expect: '100-continue' } }, (reply) => {
      let text = '';
      reply.on('data', (bytes) => (text += bytes)).on('end', () => resolve(JSON.parse(text).id));
    });
    request.on('continue', () => request.end(sealed));
    request.on('error', reject);
    request.flushHeaders();
  });
  const parts = [];
  await new Promise((resolve, reject) => {
    https.get({ ...at, path: `${path}/${id}` }, async (reply) => {
      for await (const bytes of reply) {
        parts.push(bytes);
        if (parts.length % 200 === 0) await sleep(20);
      }
      resolve();
    }).on('error', reject);
  });
  check(Buffer.concat(parts).equals(sealed), 'other bytes came back');
  const socket = new WebSocket(`wss://127.0.0.1:${server.ports.https}/rtc?access_token=${await server.token('room', 'one')}`, { rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
  const pong = new Promise((resolve) => socket.once('pong', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.ping('over tls');
  checkEqual(String(await pong), 'over tls', 'the answer to a ping');
  socket.send(crypto.randomBytes(1_500_000));
  socket.send(crypto.randomBytes(2_500_000));
  checkEqual(await closed, 1009, 'how too long a message is closed');
});

test('the metrics of many media threads are whole', async (t) => {
  const server = await startServer(t, { extraConfig: 'media_threads: 64\n' });
  const text = await (await fetch(`http://127.0.0.1:${server.ports.metrics}/metrics`)).text();
  check(/conclave_tcp_connections\{shard="63"\} 0\n$/.test(text), `the page ends in ${text.slice(-100)}`);
});

test('metrics are at their own port only, whatever a request says of where it comes from', async (t) => {
  const server = await startServer(t);
  const ask = async (port, headers) => {
    const socket = dial(port);
    let text = '';
    socket.on('data', (bytes) => (text += bytes));
    socket.write(`GET /metrics HTTP/1.1\r\nConnection: close\r\n${headers}\r\n`);
    await new Promise((resolve) => socket.on('close', resolve));
    return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
  };
  for (const headers of ['Host: localhost\r\n', 'Host: 127.0.0.1\r\n', 'Host: localhost\r\nForwarded: for=192.0.2.1\r\n', 'Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n'])
    checkEqual(await ask(server.ports.http, headers), 404, headers);
  checkEqual(await ask(server.ports.metrics, 'Host: localhost\r\n'), 200, 'at its own port');
  const opens = (port, path) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      socket.once('open', () => resolve(101)).once('unexpected-response', (request, reply) => resolve(reply.statusCode)).once('error', () => {});
      t.defer(() => socket.terminate());
    });
  const path = `/mls/v2/${crypto.randomBytes(24).toString('base64url')}`;
  checkEqual(await opens(server.ports.http, path), 101, 'a WebSocket elsewhere');
  checkEqual(await opens(server.ports.metrics, path), 404, 'a WebSocket at the port of the metrics');
  checkEqual(await ask(server.ports.metrics, 'Host: evil.example\r\n'), 401, 'under a name of somebody else');
});
