// Connections that break: resume after a cut socket, full reconnect after a restart.
import { chromium, newPage } from '../lib/browsers.mjs';
import { colourNear, watchVideo } from '../lib/observe.mjs';
import { startRelay } from '../lib/relay.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const RED = [220, 30, 30];
const BLUE = [30, 30, 220];

const sees = (page, identity, rgb) =>
  until(`${identity}'s moving picture`, async () => {
    const picture = await watchVideo(page, `[id="${identity}-camera"]`);
    return picture && colourNear(picture.rgb, rgb, 60) && picture.changedShare > 0.02;
  }, 30_000);

for (const single of [true, false]) {
  test(`a cut socket is resumed, with ${single ? 'one connection' : 'two connections'}`, { timeoutMs: 90_000 }, async (t) => {
    const server = await startServer(t);
    const relay = await startRelay(t, server.ports.http);
    const files = await serveFiles(t);
    const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
    const a = await newPage(browser, `${files}/interop/pages/client.html`);
    const b = await newPage(browser, `${files}/interop/pages/client.html`);
    const options = { singlePeerConnection: single };
    const joinThrough = async (page, port, identity) =>
      page.evaluate((url, jwt, opts) => window.harness.join(url, jwt, opts), `ws://127.0.0.1:${port}`, await server.token('resume', identity), options);
    const before = await joinThrough(a, relay.port, 'a');
    await joinThrough(b, server.ports.http, 'b');
    await a.evaluate((rgb) => window.harness.publish(rgb, 500), RED);
    await b.evaluate((rgb) => window.harness.publish(rgb, 700), BLUE);
    await Promise.all([sees(a, 'b', BLUE), sees(b, 'a', RED)]);
    relay.cut();
    // reliable data that is sent while the receiver's signalling is away must still arrive once
    await b.evaluate(() => window.harness.send('meanwhile', { reliable: true, topic: 't' }));
    await until('the resume', () => a.evaluate(() => window.harness.saw('reconnected')), 30_000);
    await Promise.all([sees(a, 'b', BLUE), sees(b, 'a', RED)]);
    const after = await a.evaluate(() => window.harness.room.localParticipant.sid);
    checkEqual(after, before.sid, 'participant sid after a resume');
    checkEqual(await b.evaluate(() => window.harness.saw('disconnected')), 0, 'others saw a leave');
    await until('the data', () => a.evaluate(() => window.harness.received.filter((m) => m.text === 'meanwhile').length === 1));
    // and signalling works again
    await b.evaluate(() => window.harness.room.localParticipant.setCameraEnabled(false));
    await until('a mute after the resume', () => a.evaluate(() => window.harness.saw('muted', { identity: 'b' })));
  });
}

test('everybody comes back by themselves after a server restart', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const a = await newPage(browser, `${files}/interop/pages/client.html`);
  const b = await newPage(browser, `${files}/interop/pages/client.html`);
  const join = async (page, identity, single) =>
    page.evaluate((url, jwt, opts) => window.harness.join(url, jwt, opts), server.wsUrl, await server.token('restart', identity), { singlePeerConnection: single });
  const before = await join(a, 'a', true);
  await join(b, 'b', false);
  await a.evaluate((rgb) => window.harness.publish(rgb, 500), RED);
  await b.evaluate((rgb) => window.harness.publish(rgb, 700), BLUE);
  await Promise.all([sees(a, 'b', BLUE), sees(b, 'a', RED)]);
  await server.stop('SIGKILL');
  await server.start();
  await until('both to be back', async () =>
    (await a.evaluate(() => window.harness.saw('reconnected'))) && (await b.evaluate(() => window.harness.saw('reconnected'))), 60_000);
  await Promise.all([sees(a, 'b', BLUE), sees(b, 'a', RED)]);
  const after = await a.evaluate(() => window.harness.room.localParticipant.sid);
  check(after !== before.sid, 'a full reconnect brings a new sid');
});

test('the Rust SDK survives a cut socket', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.ports.http);
  const one = await rtcNodeParticipant(t, `ws://127.0.0.1:${relay.port}`, await server.token('rust', 'one'));
  const two = await rtcNodeParticipant(t, server.wsUrl, await server.token('rust', 'two'));
  await one.publish(RED, 500);
  await until('frames', () => two.seen.video.one?.frames > 5);
  relay.cut();
  await until('the resume', () => one.seen.reconnected > 0, 40_000);
  const frames = two.seen.video.one.frames;
  await until('more frames', () => two.seen.video.one.frames > frames + 20, 20_000);
  await two.send('after');
  await until('data after the resume', () => one.seen.data.some((m) => m.text === 'after'));
});

test('a clean shutdown sends clients to reconnect at once, and they are back after the start', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t);
  const a = await newPage(browser, `${files}/interop/pages/client.html`);
  await a.evaluate((url, jwt) => window.harness.join(url, jwt), server.wsUrl, await server.token('bye', 'a'));
  const ended = await server.stop('SIGTERM');
  checkEqual(ended.code, 0, 'exit status');
  await until('the client to know', () => a.evaluate(() => window.harness.saw('reconnecting') > 0), 3000);
  await server.start();
  await until('the client to be back', () => a.evaluate(() => window.harness.saw('reconnected') > 0), 60_000);
});
