// Pictures in every codec pass through the encryption: as far as each browser can, and with a word where it cannot.
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { Person } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

/** Joins in a page that remembers its peer connections, for their statistics. */
async function come(browser, url, name, how) {
  const page = await newPage(browser);
  await page.evaluateOnNewDocument(() => {
    window.connections = [];
    const Real = RTCPeerConnection;
    window.RTCPeerConnection = class extends Real {
      constructor(...all) {
        super(...all);
        window.connections.push(this);
      }
    };
  });
  await page.goto(url);
  const person = new Person(page, name);
  await person.join(how);
  return person;
}

/** MIME types of pictures of which frames were decoded since the last call. */
const decoded = (person) => person.page.evaluate(async () => {
  const before = window.decodedBefore ?? new Map();
  const now = new Map();
  const found = new Set();
  for (const connection of window.connections) {
    const stats = await connection.getStats();
    for (const one of stats.values()) {
      if (one.type !== 'inbound-rtp' || one.kind !== 'video') continue;
      const mimeType = stats.get(one.codecId)?.mimeType ?? '';
      const key = `${one.id} ${mimeType}`;
      now.set(key, one.framesDecoded ?? 0);
      if (before.has(key) && now.get(key) > before.get(key)) found.add(mimeType.toLowerCase());
    }
  }
  window.decodedBefore = now;
  return [...found];
});

const refused = (person) => person.page.$eval('[data-testid="cannot-show"]', (poster) => poster.textContent).catch(() => '');

async function sends(ann, codec) {
  await ann.page.bringToFront();
  if (!(await ann.page.$('[data-testid="devices-dialog"]'))) {
    await ann.click('open-more');
    await ann.click('open-devices');
  }
  await ann.shows('video-codec');
  await ann.page.select('[data-testid="video-codec"]', codec);
  await ann.page.keyboard.press('Escape');
  await until('the dialog to close', async () => (await ann.page.$('[data-testid="devices-dialog"]')) === null);
}

async function sees(person, codec) {
  await person.page.bringToFront();
  await until(`${person.name} to decode ${codec}`, async () => (await decoded(person)).join() === `video/${codec}`, 30_000, 500);
  await person.seesMoving('Ann');
}

test('pictures in VP8, VP9, H.264 and AV1 are decoded in Chromium, and the codec can change in the meeting', { timeoutMs: 240_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const url = server.pageUrl + path;
  const ann = await come(await chromium(t), url, 'Ann');
  const bob = await come(await chromium(t), url, 'Bob', { camera: false });
  await sees(bob, 'vp8');
  for (const codec of ['vp9', 'h264', 'av1', 'vp8']) {
    await sends(ann, codec);
    await sees(bob, codec);
    checkEqual(await refused(bob), '', `a note in place of ${codec}`);
  }
});

test('Firefox decodes VP8 and VP9, and says of AV1 that it cannot show it', { timeoutMs: 240_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const url = server.pageUrl + path;
  const ann = await come(await chromium(t), url, 'Ann');
  const bob = await come(await firefox(t), url, 'Bob', { camera: false });
  await sees(bob, 'vp8');
  await sends(ann, 'vp9');
  await sees(bob, 'vp9');
  await sends(ann, 'av1');
  await until('Firefox to say that it cannot show AV1', async () => (await refused(bob)).includes('AV1'));
  await sends(ann, 'vp8');
  await sees(bob, 'vp8');
  checkEqual(await refused(bob), '', 'the note');
  const offered = await bob.page.evaluate(() => RTCRtpSender.getCapabilities('video').codecs.map((codec) => codec.mimeType.toLowerCase()));
  await bob.page.bringToFront();
  await bob.click('open-more');
  await bob.click('open-devices');
  const off = await bob.page.$$eval('[data-testid="video-codec"] option', (all) => all.filter((one) => one.disabled).map((one) => one.value));
  check(off.includes('av1'), `what Firefox does not offer to send: ${off}`);
  checkEqual(off.includes('h264'), !offered.includes('video/h264'), 'H.264 is offered if there is an encoder');
});
