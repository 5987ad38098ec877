// Ten people in one room, two of them in browsers: everyone gets everyone, a small tile gets a small picture, and what
// the server needs for it. (Ten browsers would measure the encoders of the machine, not the server.)
import { chromium, newPage } from '../lib/browsers.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { test, until } from '../lib/runner.mjs';
import { cpuSeconds, rssBytes, startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const IN_BROWSERS = 2;
const OTHERS = 8;
// These publish and do not look: the SDK decodes everything for every room of a process, which measures the machine. That all ten of ten
// get everything is shown by the simulator.
const PICTURE = { width: 320, height: 180, fps: 5 };

async function joinedPage(browser, server, files, i) {
  const page = await newPage(browser, `${files}/interop/pages/client.html`);
  // adaptive stream rightly stops pictures below the edge of the window
  await page.addStyleTag({ content: 'video { width: 120px; height: 68px }' });
  // and those of a tab behind another one, which counts as hidden
  const session = await page.createCDPSession();
  await session.send('Emulation.setFocusEmulationEnabled', { enabled: true });
  const options = { adaptiveStream: true, dynacast: true, singlePeerConnection: i % 2 === 0 };
  await page.evaluate((url, jwt, opts) => window.harness.join(url, jwt, opts), server.wsUrl, await server.token('crowd', `page${i}`), options);
  await page.evaluate((picture) => window.harness.publish([200, 40, 40], 400, { simulcast: true, degradationPreference: 'maintain-resolution' }, picture), { width: 640, height: 360, fps: 10 });
  return page;
}

/** What has come: {"rust0-camera": width, ...} and the sounds. */
const received = (page) => page.evaluate(() => ({
  pictures: Object.fromEntries([...document.querySelectorAll('video')].map((video) => [video.id, video.videoWidth])),
  sounds: [...document.querySelectorAll('audio')].map((audio) => audio.id),
}));

/** Small tiles for all, so that all are on the screen; the other page's may be large. */
const resizeTiles = (page, other, width) =>
  page.evaluate((id, wanted) => {
    for (const video of document.querySelectorAll('video')) {
      const w = video.id === id ? wanted : 120;
      Object.assign(video.style, { width: `${w}px`, height: `${(w * 9) / 16}px` });
    }
    document.getElementById('media').prepend(document.getElementById(id));
  }, other, width);

const widthOf = (page, id) => page.evaluate((name) => document.getElementById(name)?.videoWidth ?? 0, id);

async function widthBecomes(page, id, good) {
  const width = await widthOf(page, id);
  if (!good(width)) throw new Error(`it is ${width} wide`);
  return width;
}

test('ten participants all get each other, and adaptive stream lowers the layers', { timeoutMs: 150_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const pages = [];
  for (let i = 0; i < IN_BROWSERS; i++) pages.push(await joinedPage(browser, server, files, i));
  const others = [];
  for (let i = 0; i < OTHERS; i++) {
    const other = await rtcNodeParticipant(t, server.wsUrl, await server.token('crowd', `rust${i}`), { watches: false });
    await other.publish([20 * i, 90, 160], 300 + 50 * i, PICTURE);
    others.push(other);
  }
  const started = { cpu: cpuSeconds(server.pid), at: Date.now(), packets: (await server.metrics()).conclave_engine_tx_rtp_total };
  const total = IN_BROWSERS + OTHERS - 1;
  await until('everyone to see and hear everyone', async () => {
    const all = await Promise.all(pages.map(received));
    const complete = all.every(({ pictures, sounds }) => sounds.length === total && Object.values(pictures).filter((width) => width > 0).length === total);
    if (!complete) throw new Error(JSON.stringify(all));
    return true;
  }, 60_000, 500);
  await resizeTiles(pages[0], 'page1-camera', 640);
  await until('a large tile to get the large layer', () => widthBecomes(pages[0], 'page1-camera', (width) => width === 640), 40_000, 250);
  await resizeTiles(pages[0], 'page1-camera', 120);
  await until('the small tile to get the small layer', () => widthBecomes(pages[0], 'page1-camera', (width) => width < 640), 40_000, 250);
  const seconds = (Date.now() - started.at) / 1000;
  const cpu = cpuSeconds(server.pid) - started.cpu;
  const packets = (await server.metrics()).conclave_engine_tx_rtp_total - started.packets;
  t.note(`server with ten participants: ${((100 * cpu) / seconds).toFixed(1)} % of a core over ${seconds.toFixed(0)} s, ` +
    `${((1e6 * cpu) / packets).toFixed(0)} us a forwarded packet (${packets}), ${(rssBytes(server.pid) / 1e6).toFixed(1)} MB resident`);
});
