// Proof 3, media: what a server can do with streams, in front of people with browsers.
import { chromium, newPage } from '../lib/browsers.mjs';
import { Person } from '../lib/meeting.mjs';
import { listen } from '../lib/observe.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { rogueRelay } from '../lib/rogue.mjs';
import { startServer } from '../lib/server.mjs';
import { evidence } from './evidence.mjs';

/** Makes a page's own frames leave as the encoder made them: what others then get is what a server would slip in. */
function unsealed() {
  Object.defineProperty(RTCRtpSender.prototype, 'transform', { configurable: true, get: () => null, set: () => undefined });
  RTCRtpSender.prototype.createEncodedStreams = undefined;
}

async function people(t, url, browser, list) {
  const all = [];
  for (const [name, script] of list) {
    const person = new Person(await newPage(await browser.createBrowserContext()), name);
    if (script) await person.page.evaluateOnNewDocument(script);
    await person.page.goto(url, { waitUntil: 'domcontentloaded' });
    await person.join();
    all.push(person);
  }
  return all;
}

/** The person sees a poster instead of the other's picture, no picture of it, and hears nothing. */
async function sealedOff(person, name) {
  const { identity } = await person.tileOf(name);
  const tile = `[data-testid="tile"][data-identity="${identity}"][data-source="camera"]`;
  await until(`${person.name} to be told that ${name} cannot be decrypted`, () => person.page.$(`${tile} [data-testid="cannot-decrypt"]`), 30_000);
  // where a picture that has not been opened waits there may be an element for it, with nothing in it
  const picture = await person.page.$eval(`${tile} video`, (video) => ({ frames: video.getVideoPlaybackQuality().totalVideoFrames, width: video.videoWidth })).catch(() => null);
  check(picture === null || (picture.frames === 0 && picture.width === 0), `a picture of ${name}: ${JSON.stringify(picture)}`);
  const sound = await listen(person.page, `audio[data-identity="${identity}"]`, 1500);
  check(!sound || sound.decibels < -90, `sound of ${name}: ${JSON.stringify(sound)}`);
}

/** Where the protocol says that a track is encrypted (TrackInfo, field 16) it says the contrary. */
function markUnencrypted(bytes) {
  const changed = Buffer.from(bytes);
  let count = 0;
  for (let at = 0; at + 2 < changed.length; at++) {
    if (changed[at] === 0x80 && changed[at + 1] === 1 && (changed[at + 2] === 1 || changed[at + 2] === 2)) {
      changed[at + 2] = 0;
      count++;
    }
  }
  return { changed, count };
}

test('3 plaintext frames on tracks that the server calls unencrypted are not played, and shown', { timeoutMs: 240_000 }, async (t) => {
  const server = await startServer(t);
  const rogue = await rogueRelay(t, server);
  let marked = 0;
  rogue.raw = (identity, bytes) => {
    const { changed, count } = markUnencrypted(bytes);
    marked += count;
    return changed;
  };
  const { path: link } = await server.newMeeting();
  const browser = await chromium(t);
  const [bob, ann] = await people(t, rogue.pageUrl + link, browser, [['Bob'], ['Ann', unsealed], ['Cem']]);
  await bob.page.bringToFront();
  // sealed, though the server says that it is not: opened and played
  await bob.seesMoving('Cem');
  await sealedOff(bob, 'Ann');
  check(marked > 0, 'the server marked nothing');
  check((await server.metrics()).conclave_tracks >= 6, 'tracks');
  void ann;
  evidence('3-malicious-server').add('attacks.txt', `plaintext frames on a member’s tracks, all tracks marked unencrypted (${marked} marks): not played, poster and words shown; sealed tracks play`);
});

test('3 streams that the server passes off as another person’s are not played, and shown', { timeoutMs: 240_000 }, async (t) => {
  const server = await startServer(t);
  const rogue = await rogueRelay(t, server);
  const { path: link } = await server.newMeeting();
  const browser = await chromium(t);
  const [ann, cem] = await people(t, rogue.pageUrl + link, browser, [['Ann'], ['Cem']]);
  await ann.page.bringToFront();
  await ann.seesMoving('Cem');
  // identities have one length: in what the server tells of the room, these two change places
  const known = (await ann.tiles()).map((tile) => tile.identity);
  const [one, two] = [...new Set(known)].map((identity) => Buffer.from(identity));
  checkEqual(one.length, two.length, 'lengths');
  let swapped = 0;
  rogue.raw = (identity, bytes) => {
    if (identity === one.toString() || identity === two.toString()) return bytes;
    const changed = Buffer.from(bytes);
    for (let at = 0; at + one.length <= changed.length; at++) {
      const here = changed.subarray(at, at + one.length);
      const other = here.equals(one) ? two : here.equals(two) ? one : null;
      if (other) {
        other.copy(changed, at);
        swapped++;
        at += one.length - 1;
      }
    }
    return changed;
  };
  const [bob] = await people(t, rogue.pageUrl + link, browser, [['Bob']]);
  await bob.page.bringToFront();
  for (const name of ['Ann', 'Cem']) await sealedOff(bob, name);
  check(swapped > 0, 'the server swapped nothing');
  await cem.page.bringToFront();
  await cem.seesMoving('Ann');
  evidence('3-malicious-server').add('attacks.txt', 'the streams of two people exchanged for a third: not played, poster and words shown');
});
