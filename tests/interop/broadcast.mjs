// A file to a full room, where somebody stands still in the middle of it.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import readline from 'node:readline';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { cpuSeconds, rssBytes, startServer } from '../lib/server.mjs';

const MB = 1_000_000;
// Twenty of these clients take ten seconds of processor for each MB, the server less than one: 100 MB by hand (BROADCAST_MB=100 PATIENCE=6).
const FILE_MB = Number(process.env.BROADCAST_MB ?? 3);
const RECEIVERS = 19;
const CHUNK_LEN = 15_000;

async function take(reader) {
  const hash = crypto.createHash('sha256');
  for await (const chunk of reader) hash.update(chunk);
  return hash.digest('hex');
}

/** A receiver whose process can be stopped. */
async function receiver(t, server, identity) {
  const where = JSON.stringify({ url: server.wsUrl, token: await server.token('files', identity, {}, { ttl: '1h' }) });
  const child = spawn(process.execPath, [path.join(import.meta.dirname, '../lib/receiver.mjs')], {
    env: { ...process.env, RECEIVER: where }, stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = [];
  readline.createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('{') && said.push(JSON.parse(line)));
  child.stdin.on('error', () => {});
  t.defer(() => child.kill('SIGKILL'));
  await until(`${identity} to be there`, () => said.some((line) => line.connected), 30_000);
  return { child, said };
}

test(`a file of ${FILE_MB} MB arrives whole with nineteen, although a twentieth stops taking it and is told so`, { timeoutMs: 60_000 + FILE_MB * 4000 }, async (t) => {
  const server = await startServer(t);
  const sender = await rtcNodeParticipant(t, server.wsUrl, await server.token('files', 'sender', {}, { ttl: '1h' }), { watches: false });
  const whole = new Map();
  const broken = [];
  for (let i = 0; i < RECEIVERS; i++) {
    const one = await rtcNodeParticipant(t, server.wsUrl, await server.token('files', `r${i}`, {}, { ttl: '1h' }), { watches: false });
    one.room.registerByteStreamHandler('file', (reader) => take(reader).then((sum) => whole.set(i, sum), () => broken.push(i)));
  }
  const slow = await receiver(t, server, 'slow');
  const hash = crypto.createHash('sha256');
  const from = performance.now();
  const cpu = cpuSeconds(server.pid);
  const writer = await sender.room.localParticipant.streamBytes({ topic: 'file', name: 'file', totalSize: FILE_MB * MB });
  let highest = 0;
  for (let at = 0; at < FILE_MB * MB; ) {
    const chunk = crypto.randomBytes(Math.min(CHUNK_LEN, FILE_MB * MB - at));
    hash.update(chunk);
    await writer.write(chunk);
    at += chunk.length;
    if (at === 20 * CHUNK_LEN) {
      await until('the slow one to have begun', () => slow.said.some((line) => line.began), 30_000);
      slow.child.kill('SIGSTOP');
    }
    if (at % (CHUNK_LEN * 50) === 0) highest = Math.max(highest, rssBytes(server.pid));
  }
  await writer.close();
  await until('everybody to have all of it', () => whole.size + broken.length === RECEIVERS, 60_000 + FILE_MB * 2000);
  t.note(`${((performance.now() - from) / 1000).toFixed(1)} s, server ${(cpuSeconds(server.pid) - cpu).toFixed(1)} s of processor, ${(highest / 1e6).toFixed(0)} MB at most`);
  checkEqual(broken, [], 'receivers that did not get all');
  const sum = hash.digest('hex');
  checkEqual([...whole.values()].filter((one) => one !== sum).length, 0, 'receivers that have other bytes');
  const metrics = await server.metrics();
  checkEqual(metrics.conclave_control_data_slow_ended_total, 1, 'who was ended for being slow');
  slow.child.kill('SIGCONT');
  await until('the slow one to hear of it', () => slow.said.some((line) => line.reconnecting || line.disconnected), 30_000);
  check(!slow.said.some((line) => line.sha256), 'it thinks that it has a whole file');
});
