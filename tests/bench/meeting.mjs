// What the encryption of meetings costs people: time until the first picture, processor time in the browser, pictures that
// stand still while keys change, bytes a frame, and how
// long it takes after somebody was removed until all others use keys that they do not have.
//
//     tools/node tests/bench/meeting.mjs
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { library } from '../e2ee/library.mjs';
import { chromium } from '../lib/browsers.mjs';
import { arrive } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { alone, percentile, printJoins, row, t } from './measure.mjs';

const TALK_MS = 10_000;
const GROUPS = [3, 20, 100];
const REMOVALS = 5;
const COMERS = 8;
const TICKS_PER_S = 100;

/** Processor seconds of a process and all below it, and of the threads whose names begin with `thread`. */
function treeSeconds(root, thread) {
  const children = new Map();
  const seconds = (file) => {
    const fields = fs.readFileSync(file, 'utf8').replace(/^.*\) /s, '').split(' ');
    return { parent: Number(fields[1]), used: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S };
  };
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const { parent } = seconds(`/proc/${pid}/stat`);
      children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
    } catch {
      // It has just ended.
    }
  }
  const total = { all: 0, thread: 0 };
  for (const waiting = [root]; waiting.length > 0;) {
    const pid = waiting.pop();
    waiting.push(...(children.get(pid) ?? []));
    try {
      for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
        const folder = path.join('/proc', String(pid), 'task', task);
        const { used } = seconds(path.join(folder, 'stat'));
        total.all += used;
        if (fs.readFileSync(path.join(folder, 'comm'), 'utf8').startsWith(thread)) total.thread += used;
      }
    } catch {
      // It has just ended.
    }
  }
  return total;
}

/** Two people who send and receive 720p and sound: the share of the worker that has the group and every frame. */
async function workerShare(server) {
  const meeting = await server.newMeeting();
  const url = server.pageUrl + meeting.path;
  const browser = await chromium(t, { look: 'red' });
  const ann = await arrive(browser, url, 'Ann');
  const bob = await arrive(await chromium(t, { look: 'blue' }), url, 'Bob');
  await ann.seesMoving('Bob');
  await bob.seesMoving('Ann');
  const pid = browser.process().pid;
  const before = treeSeconds(pid, 'DedicatedWorker');
  await sleep(TALK_MS);
  const after = treeSeconds(pid, 'DedicatedWorker');
  const all = after.all - before.all;
  const worker = after.thread - before.thread;
  return { core: worker / (TALK_MS / 1000), extra: worker / (all - worker) };
}

/** The longest time between two frames of Ann on Bob's screen, while others come to the group one by one, and without anybody coming. */
async function freezes(server) {
  const meeting = await server.newMeeting();
  const url = server.pageUrl + meeting.path;
  await arrive(await chromium(t, { look: 'red' }), url, 'Ann');
  const bob = await arrive(await chromium(t, { look: 'blue' }), url, 'Bob', { camera: false });
  await bob.seesMoving('Ann');
  await bob.page.evaluate(() => {
    const video = document.querySelector('[data-testid="tile"][data-local="false"] video');
    let last = performance.now();
    window.longestMs = 0;
    const next = () => {
      const now = performance.now();
      window.longestMs = Math.max(window.longestMs, now - last);
      last = now;
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });
  const longest = async (work) => {
    await bob.page.evaluate(() => { window.longestMs = 0; });
    await work();
    await sleep(1500);
    return bob.page.evaluate(() => window.longestMs);
  };
  const quiet = [];
  const joins = [];
  for (let i = 0; i < COMERS; i++) {
    quiet.push(await longest(() => sleep(500)));
    joins.push(await longest(() => enter(t, server, meeting, `P${i}`)));
  }
  return { quiet, joins };
}

const FRAMES = [
  ['opus', Buffer.concat([Buffer.from([0x78]), crypto.randomBytes(79)])],
  ['vp8', Buffer.concat([Buffer.from([0x31, 0x02, 0x00]), crypto.randomBytes(1197)])],
  ['vp9', crypto.randomBytes(1200)],
  ['h264', Buffer.concat([Buffer.from([0, 0, 0, 1, 0x41, 0x9a]), crypto.randomBytes(1194)])],
  ['av1', Buffer.concat([Buffer.from([0x32, 0xa4, 0x09]), crypto.randomBytes(1188)])],
];

async function addedBytes() {
  const { module, e2ee: { FrameSealer, CODECS, KINDS, TYPES } } = await library();
  const added = [];
  for (const [name, plain] of FRAMES) {
    const sealer = new FrameSealer(module);
    sealer.install(5n, 1, crypto.randomBytes(32));
    let sum = 0;
    const count = 300;
    for (let i = 0; i < count; i++) {
      const sealed = await sealer.seal(name === 'opus' ? 0 : 1, { codec: CODECS[name], kind: name === 'opus' ? KINDS.audio : KINDS.video, type: TYPES.none }, new Uint8Array(plain));
      sum += sealed.length - plain.length;
    }
    sealer.free();
    added.push(`${name} ${(sum / count).toFixed(1)}`);
  }
  return added.join(', ');
}

/** From the host's click to the moment when each of the others seals under the next epoch, over several removals. */
async function removalTimes(server, members) {
  const meeting = await server.newMeeting();
  const host = await enter(t, server, meeting, 'Host', { host: true });
  const others = [];
  while (others.length < members - 1 + REMOVALS) {
    const room = Math.min(10, members - 1 + REMOVALS - others.length);
    others.push(...await Promise.all(Array.from({ length: room }, (_, i) => enter(t, server, meeting, `P${others.length + i}`))));
  }
  const times = [];
  for (let i = 0; i < REMOVALS; i++) {
    const gone = others.pop();
    const rest = [host, ...others];
    await sleep(1500); // the last change is over
    const before = Math.max(...rest.map((one) => one.of('epoch').at(-1)?.epoch ?? 0));
    const at = performance.now();
    await host.do('remove', { identity: gone.identity });
    await until('everybody to use the new key', () =>
      rest.every((one) => one.events.some((event) => event.type === 'switch' && event.epoch > before)), 30_000, 5);
    for (const one of rest) times.push(one.events.find((event) => event.type === 'switch' && event.epoch > before).at_ms - at);
    gone.stop();
  }
  return times;
}

await printJoins();
const share = await alone(workerShare);
row('encryption worker, two people in 720p', `${(100 * share.core).toFixed(1)} % of a core, ${(100 * share.extra).toFixed(1)} % on top of the rest of the browser`);
const gaps = await alone(freezes);
row(`longest gap between frames, ${COMERS} joins, p50 / most`, `${percentile(gaps.joins, 0.5).toFixed(0)} / ${Math.max(...gaps.joins).toFixed(0)} ms; without a join ${percentile(gaps.quiet, 0.5).toFixed(0)} / ${Math.max(...gaps.quiet).toFixed(0)} ms`);
row('bytes added to a frame (80 B of Opus, 1200 B of pictures)', await addedBytes());
for (const members of GROUPS) {
  const times = await alone((server) => removalTimes(server, members));
  row(`removal to the new key in use, ${members} members, p50 / p99`, `${percentile(times, 0.5).toFixed(0)} / ${percentile(times, 0.99).toFixed(0)} ms`);
}
process.exit(0);
