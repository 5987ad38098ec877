// Stock livekit-client in both modes and the Rust SDK in one room.
import os from 'node:os';
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { colourNear, listen, watchVideo } from '../lib/observe.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const RED = [220, 30, 30];
const BLUE = [30, 30, 220];
const GREEN = [20, 160, 40];

async function stockPage(browser, files) {
  return newPage(browser, `${files}/interop/pages/client.html`);
}

async function join(page, server, room, identity, options = {}, grant = {}) {
  const token = await server.token(room, identity, grant);
  return page.evaluate((url, jwt, opts) => window.harness.join(url, jwt, opts), server.wsUrl, token, options);
}

const publish = (page, rgb, hertz, options) =>
  page.evaluate((colour, tone, opts) => window.harness.publish(colour, tone, opts), rgb, hertz, options ?? {});

async function seesColour(page, identity, rgb) {
  await until(`${identity}'s moving picture`, async () => {
    const picture = await watchVideo(page, `[id="${identity}-camera"]`);
    return picture && colourNear(picture.rgb, rgb, 60) && picture.changedShare > 0.02;
  });
}

async function hearsTone(page, identity, hertz) {
  await until(`${identity}'s tone of ${hertz} Hz`, async () => {
    const sound = await listen(page, `[id="${identity}-microphone"]`, 800);
    return sound && sound.decibels > -70 && Math.abs(sound.hertz - hertz) < 40;
  });
}

test('a one-connection page, a two-connection page and the Rust SDK see and hear each other', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const one = await stockPage(browser, files);
  const two = await stockPage(browser, files);
  await join(one, server, 'plain', 'one', { singlePeerConnection: true });
  await join(two, server, 'plain', 'two', { singlePeerConnection: false });
  const rust = await rtcNodeParticipant(t, server.wsUrl, await server.token('plain', 'rust'));
  await Promise.all([publish(one, RED, 500), publish(two, BLUE, 700), rust.publish(GREEN, 900)]);
  await Promise.all([
    seesColour(one, 'two', BLUE),
    seesColour(one, 'rust', GREEN),
    seesColour(two, 'one', RED),
    seesColour(two, 'rust', GREEN),
  ]);
  await hearsTone(one, 'two', 700);
  await hearsTone(one, 'rust', 900);
  await hearsTone(two, 'one', 500);
  await hearsTone(two, 'rust', 900);
  await until('the Rust SDK to see both', () =>
    ['one', 'two'].every((who) => rust.seen.video[who]?.frames > 10 && rust.seen.audio[who]?.hertz > 0));
  check(colourNear(rust.seen.video.one.rgb, RED, 60), `Rust sees one as ${rust.seen.video.one.rgb}`);
  check(colourNear(rust.seen.video.two.rgb, BLUE, 60), `Rust sees two as ${rust.seen.video.two.rgb}`);
  await until('the Rust SDK to hear the tones', () =>
    Math.abs(rust.seen.audio.one.hertz - 500) < 40 && Math.abs(rust.seen.audio.two.hertz - 700) < 40);
});

test('data packets reach everyone, or just their destinations, between all modes', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t);
  const one = await stockPage(browser, files);
  const two = await stockPage(browser, files);
  await join(one, server, 'data', 'one', { singlePeerConnection: true });
  await join(two, server, 'data', 'two', { singlePeerConnection: false });
  const rust = await rtcNodeParticipant(t, server.wsUrl, await server.token('data', 'rust'));
  await one.evaluate(() => window.harness.send('from one', { reliable: true, topic: 'x' }));
  await two.evaluate(() => window.harness.send('lossy two', { reliable: false, topic: 'y' }));
  await rust.send('from rust');
  const has = (page, from, text) =>
    page.evaluate((who, words) => window.harness.received.some((m) => m.from === who && m.text === words), from, text);
  await until('everyone to have everything', async () =>
    (await has(one, 'two', 'lossy two')) && (await has(one, 'rust', 'from rust')) &&
    (await has(two, 'one', 'from one')) && (await has(two, 'rust', 'from rust')) &&
    rust.seen.data.some((m) => m.from === 'one' && m.text === 'from one') &&
    rust.seen.data.some((m) => m.from === 'two' && m.text === 'lossy two'));
  await one.evaluate(() => window.harness.send('just for rust', { reliable: true, destinationIdentities: ['rust'] }));
  await until('the addressee to have it', () => rust.seen.data.some((m) => m.text === 'just for rust'));
  await one.evaluate(() => window.harness.chat('hello in chat'));
  await until('chat to arrive', () => has(two, 'one', 'hello in chat'));
  checkEqual(await has(two, 'one', 'just for rust'), false, 'somebody else got the addressed message');
  const big = 'x'.repeat(14_000);
  await two.evaluate((text) => window.harness.send(text, { reliable: true, topic: 'big' }), big);
  await until('a message of many packets', () => rust.seen.data.some((m) => m.text.length === big.length));
});

for (const single of [true, false]) {
  const mode = single ? 'one connection' : 'two connections';
  test(`mute, unpublish, subscription and metadata work with ${mode}`, { timeoutMs: 60_000 }, async (t) => {
    const server = await startServer(t);
    const files = await serveFiles(t);
    const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
    const a = await stockPage(browser, files);
    const b = await stockPage(browser, files);
    await join(a, server, 'room', 'a', { singlePeerConnection: single }, { canUpdateOwnMetadata: true });
    await join(b, server, 'room', 'b', { singlePeerConnection: single });
    await publish(a, RED, 500);
    await seesColour(b, 'a', RED);
    await a.evaluate(() => window.harness.room.localParticipant.setMicrophoneEnabled(false));
    await until('b to see the mute', () => b.evaluate(() => window.harness.saw('muted', { identity: 'a', source: 'microphone' })));
    await a.evaluate(() => [...window.harness.room.localParticipant.audioTrackPublications.values()][0].unmute());
    await until('b to see the unmute', () => b.evaluate(() => window.harness.saw('unmuted', { identity: 'a' })));
    await a.evaluate(() => window.harness.room.localParticipant.setMetadata('busy'));
    await until('b to see the metadata', () => b.evaluate(() => window.harness.saw('metadata', { metadata: 'busy' })));
    await a.evaluate(() => window.harness.room.localParticipant.setAttributes({ hand: 'up' }));
    await until('b to see the attribute', () => b.evaluate(() => window.harness.saw('attributes', { identity: 'a' })));
    await b.evaluate(() => [...window.harness.room.remoteParticipants.values()][0].videoTrackPublications.forEach((p) => p.setSubscribed(false)));
    await until('the picture to be gone', () => b.evaluate(() => document.querySelector('#a-camera') === null));
    await b.evaluate(() => [...window.harness.room.remoteParticipants.values()][0].videoTrackPublications.forEach((p) => p.setSubscribed(true)));
    await seesColour(b, 'a', RED);
    await a.evaluate(() => {
      const who = window.harness.room.localParticipant;
      who.setTrackSubscriptionPermissions(false, []);
    });
    await until('permission to be withdrawn', () => b.evaluate(() => document.querySelector('#a-camera') === null));
    await a.evaluate(() => window.harness.room.localParticipant.setTrackSubscriptionPermissions(true, []));
    await seesColour(b, 'a', RED);
    await a.evaluate(() => {
      const who = window.harness.room.localParticipant;
      return Promise.all([...who.videoTrackPublications.values()].map((p) => who.unpublishTrack(p.track)));
    });
    await until('b to see the track go', () => b.evaluate(() => window.harness.saw('unpublished', { source: 'camera' })));
    await publish(a, GREEN);
    await seesColour(b, 'a', GREEN);
    await a.evaluate(() => window.harness.leave());
    await until('b to see a leave', () => b.evaluate(() => window.harness.saw('disconnected', { identity: 'a' })));
  });
}

test('speakers are told from the sound, without the server hearing it', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const a = await stockPage(browser, files);
  const b = await stockPage(browser, files);
  await join(a, server, 'speakers', 'a');
  await join(b, server, 'speakers', 'b');
  await publish(a, RED, 500);
  await until('b to be told that a speaks', () =>
    b.evaluate(() => window.harness.events.some((e) => e.name === 'speakers' && e.identities.includes('a'))));
});

for (const codec of ['h264', 'vp9', 'av1']) {
  test(`a picture in ${codec.toUpperCase()} arrives`, { timeoutMs: 60_000 }, async (t) => {
    const server = await startServer(t);
    const files = await serveFiles(t);
    const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
    const a = await stockPage(browser, files);
    const b = await stockPage(browser, files);
    await join(a, server, codec, 'a');
    await join(b, server, codec, 'b', { singlePeerConnection: false });
    await publish(a, BLUE, 0, { videoCodec: codec, backupCodec: false });
    await seesColour(b, 'a', BLUE);
    const mime = await b.evaluate(() => window.harness.remotes()[0].tracks[0].mime.toLowerCase());
    checkEqual(mime, `video/${codec}`, 'codec');
  });
}

test('a smaller window gets a smaller layer, and the publisher stops sending what nobody watches', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const a = await stockPage(browser, files);
  const b = await stockPage(browser, files);
  await join(a, server, 'layers', 'a', { dynacast: true });
  await join(b, server, 'layers', 'b');
  await publish(a, RED, 0, { simulcast: true });
  const width = () => b.evaluate(() => document.querySelector('#a-camera')?.videoWidth ?? 0);
  await until('the full size', async () => (await width()) >= 1200, 20_000);
  const settings = (quality) =>
    b.evaluate((q) => [...window.harness.room.remoteParticipants.values()][0].videoTrackPublications.forEach((p) => p.setVideoQuality(q)), quality);
  await settings(0);
  await until('the lowest layer', async () => (await width()) > 0 && (await width()) <= 400, 20_000);
  await settings(1);
  await until('the middle layer', async () => (await width()) > 400 && (await width()) <= 800, 20_000);
  await until('the publisher to stop the top layer', () => a.evaluate(async () => {
    const track = [...window.harness.room.localParticipant.videoTrackPublications.values()][0].track;
    return track.sender.getParameters().encodings.find((e) => e.rid === 'f')?.active === false;
  }), 20_000);
  await settings(2);
  await until('the full size again', async () => (await width()) >= 1200, 20_000);
});

test('a stock Firefox meets a stock Chromium', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const chrome = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const fox = await firefox(t);
  const a = await stockPage(chrome, files);
  const b = await stockPage(fox, files);
  await join(a, server, 'mixed', 'a');
  await join(b, server, 'mixed', 'b');
  await Promise.all([publish(a, RED, 500), publish(b, BLUE, 700)]);
  await Promise.all([seesColour(a, 'b', BLUE), seesColour(b, 'a', RED)]);
  await hearsTone(a, 'b', 700);
  await hearsTone(b, 'a', 500);
});

// Out of the box Firefox has no candidate on loopback, and reaches no address there: see docs/operations.md.
test('a stock Firefox connects to a server for development, in both modes', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t, { args: ['--dev'] });
  const files = await serveFiles(t);
  const fox = await firefox(t, { prefs: { 'media.peerconnection.ice.loopback': false } });
  const a = await stockPage(fox, files);
  const b = await stockPage(fox, files);
  await join(a, server, 'dev', 'a', { singlePeerConnection: true });
  await join(b, server, 'dev', 'b', { singlePeerConnection: false });
  await Promise.all([publish(a, RED, 500), publish(b, BLUE, 700)]);
  await Promise.all([seesColour(a, 'b', BLUE), seesColour(b, 'a', RED)]);
  // nobody but this machine is served: that is a matter of HTTP, which media follows
  for (const { address, family, internal } of Object.values(os.networkInterfaces()).flat()) {
    if (internal || family !== 'IPv4') continue;
    const reached = await fetch(`http://${address}:${server.ports.http}/`).then(() => true, () => false);
    check(!reached, `the server for development answers at ${address}`);
  }
});
