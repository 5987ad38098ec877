// What measurements through browsers share: joins with their times, and a machine for each measurement.
import { chromium, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { startServer } from '../lib/server.mjs';
import { sleep, until } from '../lib/runner.mjs';

export const JOINS = Number(process.env.JOINS ?? 20);

const undo = [];
export const t = { defer: (f) => undo.push(f), note: console.log };
export const percentile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)];
export const row = (what, value) => console.log(`${what.padEnd(58)} ${value}`);

/** Each measurement has the machine to itself: what the former one started is ended before. */
export async function alone(measure) {
  try {
    return await measure(await startServer(t));
  } finally {
    while (undo.length > 0) await undo.pop()(null);
  }
}

async function joinTimes(server) {
  const { path } = await server.newMeeting();
  const url = server.pageUrl + path;
  await arrive(await chromium(t, { look: 'red' }), url, 'Host');
  const browser = await chromium(t, { look: 'blue' });
  const marks = { entered: [], connected: [], frame: [] };
  for (let i = 0; i < JOINS; i++) {
    const context = await browser.createBrowserContext();
    const page = await newPage(context, url);
    const guest = new Person(page, `Guest ${i}`);
    await guest.shows('prejoin');
    await sleep(1500); // people look at themselves before they click; the meeting's code loads meanwhile
    await guest.join();
    const at = await until('the first frame', () => page.evaluate(() => {
      const mark = (name) => performance.getEntriesByName(`conclave:${name}`)[0]?.startTime;
      const frame = mark('first-remote-frame');
      return frame && { click: mark('join-click'), entered: mark('entered'), connected: mark('connected'), frame };
    }), 20_000, 50);
    marks.entered.push(at.entered - at.click);
    marks.connected.push(at.connected - at.click);
    marks.frame.push(at.frame - at.click);
    await guest.click('leave');
    await context.close();
  }
  return marks;
}

/** Joins, and prints from the click to the group, the room and the first picture. */
export async function printJoins() {
  const marks = await alone(joinTimes);
  const shown = (values) => `${percentile(values, 0.5).toFixed(0)} / ${percentile(values, 0.95).toFixed(0)} ms`;
  row(`join click to being in the group, ${JOINS} joins, p50 / p95`, shown(marks.entered));
  row(`join click to connected, ${JOINS} joins, p50 / p95`, shown(marks.connected));
  row('join click to first decrypted remote frame, p50 / p95', shown(marks.frame));
}
