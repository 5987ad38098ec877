// Hostile input at every port while a meeting runs: the server stays up, its memory stays bounded, the meeting goes on.
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import zlib from 'node:zlib';
import WebSocket from 'ws';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { PATIENCE, check, checkEqual, run, sleep, test, until } from '../lib/runner.mjs';
import { rssBytes, startServer } from '../lib/server.mjs';

// with sanitizers, for which one has patience, a byte takes several
const MEMORY_GROWTH_MAX = 64e6 * (PATIENCE > 2 ? 4 : 1);
// attacker, both participants and server share two cores: what a pause of the whole machine may cost
const GAP_MAX_MS = 1250 * PATIENCE;

/** A meeting of two that must see no gap of more than GAP_MAX_MS while `attack` runs. */
async function untouched(t, attack) {
  const server = await startServer(t);
  const one = await rtcNodeParticipant(t, server.wsUrl, await server.token('calm', 'one'));
  const two = await rtcNodeParticipant(t, server.wsUrl, await server.token('calm', 'two'));
  await one.publish([200, 30, 30], 500);
  await until('frames', () => two.seen.video.one?.frames > 10, 20_000);
  const before = rssBytes(server.pid);
  let last = two.seen.video.one.frames;
  let lastAt = Date.now();
  let worst = 0;
  const timer = setInterval(() => {
    const frames = two.seen.video.one.frames;
    if (frames !== last) {
      last = frames;
      lastAt = Date.now();
    }
    worst = Math.max(worst, Date.now() - lastAt);
  }, 50);
  try {
    await attack(server);
    await sleep(1000);
  } finally {
    clearInterval(timer);
  }
  check(server.alive(), 'the server is up');
  const grown = rssBytes(server.pid) - before;
  t.note(`memory grew by ${(grown / 1e6).toFixed(1)} MB, longest gap in the meeting ${worst} ms`);
  check(grown < MEMORY_GROWTH_MAX, `memory grew by ${grown} bytes`);
  check(worst < GAP_MAX_MS, `the meeting stood still for ${worst} ms`);
  checkEqual([one.seen.disconnected, two.seen.disconnected], [0, 0], 'disconnects');
  return server;
}

const send = (socket, bytes, port) => new Promise((resolve) => socket.send(bytes, port, '127.0.0.1', resolve));

/** First bytes of every kind that the UDP port tells apart, with random, truncated or absurd rest. */
function hostileDatagram(i) {
  const firstBytes = [0, 1, 2, 3, 20, 21, 22, 23, 24, 63, 64, 79, 127, 128, 129, 144, 160, 191, 192, 255];
  const length = [0, 1, 2, 4, 8, 11, 12, 13, 19, 20, 21, 28, 60, 200, 1200, 1472][i % 16];
  const bytes = crypto.randomBytes(length);
  if (length > 0) bytes[0] = firstBytes[i % firstBytes.length];
  if (length >= 20 && bytes[0] < 4) {
    bytes.writeUInt16BE(0x0001, 0);
    bytes.writeUInt16BE(i % 3 === 0 ? 0xffff : length - 20, 2);
    bytes.writeUInt32BE(0x2112a442, 4);
  }
  if (length >= 13 && bytes[0] >= 20 && bytes[0] < 64) {
    bytes.writeUInt16BE(0xfefd, 1);
    bytes.writeUInt16BE(i % 2 === 0 ? length - 13 : 0xffff, 11);
  }
  return bytes;
}

test('100,000 hostile datagrams of every kind are dropped', { timeoutMs: 120_000 }, async (t) => {
  const server = await untouched(t, async (target) => {
    const sockets = Array.from({ length: 8 }, () => dgram.createSocket('udp4'));
    for (let i = 0; i < 100_000; i++) {
      const sent = send(sockets[i % 8], hostileDatagram(i), target.ports.udp);
      // the meeting's two participants live in this process too and must get their turn
      if (i % 100 === 0) await sent.then(() => sleep(2));
    }
    sockets.forEach((socket) => socket.close());
  });
  const metrics = await server.metrics();
  const dropped = Object.entries(metrics).filter(([name]) => /dropped|unknown/.test(name)).reduce((sum, [, value]) => sum + value, 0);
  check(dropped > 1000, `drops are counted (${dropped})`);
});

test('10,000 half-open handshakes get no memory', { timeoutMs: 120_000 }, async (t) => {
  // the start of a real DTLS ClientHello record, from 10,000 sources that never passed a STUN check
  const hello = Buffer.concat([
    Buffer.from('16feff000000000000000000f0010000e400000000000000e4fefd', 'hex'),
    crypto.randomBytes(226),
  ]);
  await untouched(t, async (server) => {
    for (let batch = 0; batch < 20; batch++) {
      const sockets = Array.from({ length: 500 }, () => dgram.createSocket('udp4'));
      await Promise.all(sockets.map((socket) => send(socket, hello, server.ports.udp)));
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.close(resolve))));
    }
  });
});

test('connections that never say anything useful do not keep others out', { timeoutMs: 120_000 }, async (t) => {
  await untouched(t, async (server) => {
    const idle = [];
    for (const port of [server.ports.http, server.ports.https, server.ports.tcp]) {
      for (let i = 0; i < 600; i++) {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        if (i % 3 === 0) socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '));
        if (i % 3 === 1) socket.on('connect', () => socket.write(crypto.randomBytes(64)));
        idle.push(socket);
      }
    }
    await sleep(2000);
    const reply = await fetch(server.url + '/', { signal: AbortSignal.timeout(10_000) });
    checkEqual(reply.status, 200, 'somebody else is still served');
    idle.forEach((socket) => socket.destroy());
  });
});

function rawRequest(port, bytes, timeoutMs = 5000) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, finish);
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')).length > 100_000 && finish());
    socket.on('error', finish);
    socket.on('close', finish);
    socket.on('connect', () => socket.write(bytes));
  });
}

test('a request line of 64 kB is served, longer ones and broken requests are refused', { timeoutMs: 120_000 }, async (t) => {
  await untouched(t, async (server) => {
    const line = (length) => `GET /rtc/validate?access_token=${'a'.repeat(length)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const answer = await rawRequest(server.ports.http, line(60_000));
    check(/^HTTP\/1\.1 401/.test(answer), `60 kB of token: ${answer.slice(0, 60)}`);
    for (const length of [70_000, 1_000_000]) {
      const refused = await rawRequest(server.ports.http, line(length));
      check(!/^HTTP\/1\.1 200/.test(refused), `${length} bytes were accepted`);
    }
    const broken = [
      '\r\n\r\n', 'GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\0\0\0\0', 'POST /whip/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      'POST /whip/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n', 'GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', `GET / HTTP/1.1\r\n${'X-A: b\r\n'.repeat(5000)}\r\n`,
      'POST /api/v2/meetings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n',
    ];
    for (const bytes of broken) {
      const reply = await rawRequest(server.ports.http, bytes, 1500);
      check(!reply.includes('root:'), 'a file of the system was served');
    }
  });
});

test('a gzip bomb, nonsense and oversized messages at the signalling are refused', { timeoutMs: 120_000 }, async (t) => {
  await untouched(t, async (server) => {
    const token = await server.token('calm', 'mallory');
    const wrap = (gzip) => {
      // WrappedJoinRequest { compression = GZIP, join_request = bytes }
      const length = [];
      for (let n = gzip.length; ; n >>= 7) {
        if (n < 128) {
          length.push(n);
          break;
        }
        length.push((n & 127) | 128);
      }
      return Buffer.concat([Buffer.from([0x08, 0x01, 0x12]), Buffer.from(length), gzip]).toString('base64url');
    };
    const bomb = zlib.gzipSync(Buffer.alloc(40_000_000), { level: 9 }).subarray(0, 40_000);
    for (const request of [wrap(bomb), wrap(crypto.randomBytes(1000)), 'AAAA', '!!!!', wrap(zlib.gzipSync(crypto.randomBytes(2000)))]) {
      const url = `${server.url}/rtc/v1/validate?access_token=${token}&join_request=${request}`;
      const reply = await fetch(url);
      check(reply.status >= 400 && reply.status < 500, `status ${reply.status}`);
    }
    for (const message of [crypto.randomBytes(100), Buffer.alloc(3 << 20), Buffer.from('{"text":1}'), Buffer.alloc(0), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])]) {
      const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${await server.token('calm', 'mallory')}`);
      socket.on('error', () => {});
      await Promise.race([new Promise((resolve) => socket.once('message', resolve)), sleep(3000)]);
      socket.send(message);
      await sleep(300);
      socket.terminate();
    }
    // many joins that go nowhere
    for (let i = 0; i < 100; i++) {
      const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${await server.token('calm', `ghost${i}`)}`);
      socket.on('error', () => {});
      socket.once('open', () => socket.terminate());
    }
  });
});

test('nonsense at the delivery service and at the files of meetings is refused', { timeoutMs: 120_000 }, async (t) => {
  const server = await untouched(t, async (target) => {
    const meeting = await target.newMeeting();
    const token = await target.token(`cm_${meeting.id}`, 'stranger');
    for (let i = 0; i < 200; i++) {
      const socket = new WebSocket(`${target.wsUrl}/mls/v2/${meeting.id}`);
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.once('open', () => {
        const bytes = crypto.randomBytes([1, 2, 9, 40, 4000, 70_000, 1_500_000][i % 7]);
        bytes[0] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 16][i % 12];
        // now and then the length says what is there
        if (i % 3 === 0 && bytes.length > 14) bytes.writeUInt32BE(0x80000000 + bytes.length - 14, 10);
        socket.send(bytes);
        socket.send(bytes);
      });
      check([4002, 4004, 4005, 1006].includes(await closed), 'it stayed');
    }
    const files = `/api/v2/meetings/${meeting.id}/files`;
    for (const [head, status] of [
      [`POST ${files} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\nx`, 404],
      [`POST ${files} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n`, 404],
      [`POST ${files}/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 5\r\n\r\nhello`, 404],
      [`GET ${files}/../../../server.secret HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`, 404],
      [`GET ${files}/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nRange: bytes=-\r\nConnection: close\r\n\r\n`, 404],
    ]) {
      const reply = await rawRequest(target.ports.http, head, 1500);
      checkEqual(Number(/^HTTP\/1\.1 (\d+)/.exec(reply)?.[1]), status, head.split('\r\n')[0]);
    }
  });
  const metrics = await server.metrics();
  check(metrics.conclave_meeting_service_malformed_total > 50, 'counted');
  checkEqual(metrics.conclave_meeting_files_bytes, 0, 'bytes of files');
});

test('mutated packets of a real session, replayed at the media port, harm nobody', { timeoutMs: 120_000 }, async (t) => {
  await untouched(t, async (server) => {
    // shaped like the traffic that the port sees: SRTP, SRTCP, DTLS application data, STUN with plausible names
    const sockets = Array.from({ length: 4 }, () => dgram.createSocket('udp4'));
    for (let i = 0; i < 30_000; i++) {
      const bytes = crypto.randomBytes(40 + (i % 1200));
      bytes[0] = [0x80, 0x90, 0x80, 0x17][i % 4];
      if (i % 4 === 2) bytes[1] = 200 + (i % 8);
      const sent = send(sockets[i % 4], bytes, server.ports.udp);
      if (i % 100 === 0) await sent.then(() => sleep(2));
    }
    sockets.forEach((socket) => socket.close());
    // and over ICE-TCP: length prefixes that lie
    for (const frame of ['0000', 'ffff', '0001', '0004deadbeef', '00140001000000000000000000000000000000000000']) {
      await rawRequest(server.ports.tcp, Buffer.from(frame, 'hex'), 500);
    }
  });
});

await import('./shares.mjs');
await run('abuse');
