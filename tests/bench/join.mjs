// Time from the join click to the first decoded frame of somebody else, 20 joins on loopback, through the web client;
// then what the server process weighs, idle and with people in it that send nothing, and what processor time a packet takes
// that it forwards (kernel included) in a room of six.
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { cpuSeconds, rssBytes } from '../lib/server.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { alone, printJoins, row, t } from './measure.mjs';
import WebSocket from 'ws';

const SILENT = 200;
const TALKING = 6;
const TALK_MS = 10_000;
// small pictures: the machine's time is for the server, not for encoders
const PICTURE = { width: 160, height: 90, fps: 10 };

async function idleMemory(server) {
  const before = rssBytes(server.pid);
  const sockets = [];
  for (let i = 0; i < SILENT; i++) {
    const token = await server.token(`quiet-${i >> 3}`, `p${i}`);
    const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${token}`);
    await new Promise((resolve, reject) => {
      socket.once('message', resolve);
      socket.once('error', reject);
    });
    sockets.push(socket);
  }
  await sleep(500);
  const each = (rssBytes(server.pid) - before) / SILENT;
  sockets.forEach((socket) => socket.terminate());
  return { before, each };
}

async function forwardingCost(server) {
  const people = [];
  for (let i = 0; i < TALKING; i++) {
    const one = await rtcNodeParticipant(t, server.wsUrl, await server.token('talk', `p${i}`));
    await one.publish([25 * i, 90, 160], 300 + 50 * i, PICTURE);
    people.push(one);
  }
  await until('everybody to see everybody', () =>
    people.every((one) => Object.values(one.seen.video).filter((video) => video.frames > 3).length === TALKING - 1), 60_000);
  const packets = async () => (await server.metrics()).conclave_engine_tx_rtp_total;
  const before = { packets: await packets(), cpu: cpuSeconds(server.pid) };
  await sleep(TALK_MS);
  const cpu = cpuSeconds(server.pid) - before.cpu;
  const count = (await packets()) - before.packets;
  return { us: (1e6 * cpu) / count, perSecond: count / (TALK_MS / 1000), share: cpu / (TALK_MS / 1000), rss: rssBytes(server.pid) };
}

await printJoins();
const memory = await alone(idleMemory);
row('server resident memory, idle', `${(memory.before / 1e6).toFixed(1)} MB`);
row(`per participant without media (${SILENT} in rooms of 8)`, `${(memory.each / 1024).toFixed(1)} KiB`);
const talk = await alone(forwardingCost);
row(`server processor time a forwarded packet (${TALKING} people)`, `${talk.us.toFixed(1)} us at ${talk.perSecond.toFixed(0)} packets/s, ${(100 * talk.share).toFixed(1)} % of a core`);
row('server resident memory with them', `${(talk.rss / 1e6).toFixed(1)} MB`);
process.exit(0);
