// The server API through livekit-server-sdk, and what clients make of it; tokens that must be refused.
import { TrackSource } from 'livekit-server-sdk';
import { chromium, newPage } from '../lib/browsers.mjs';
import { colourNear, watchVideo } from '../lib/observe.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const RED = [220, 30, 30];

test('rooms and people are managed through the server API', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const api = server.api();
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const room = await api.createRoom({ name: 'managed', emptyTimeout: 60, metadata: 'agenda' });
  check(room.sid.startsWith('RM_'), `room sid ${room.sid}`);
  checkEqual((await api.listRooms()).map((r) => r.name), ['managed'], 'rooms');
  const a = await newPage(browser, `${files}/interop/pages/client.html`);
  const b = await newPage(browser, `${files}/interop/pages/client.html`);
  const join = async (page, identity) =>
    page.evaluate((url, jwt) => window.harness.join(url, jwt), server.wsUrl, await server.token('managed', identity));
  await join(a, 'a');
  await join(b, 'b');
  await a.evaluate((rgb) => window.harness.publish(rgb, 500), RED);
  await until('the picture', async () => colourNear((await watchVideo(b, '#a-camera')).rgb, RED, 60));
  const people = await api.listParticipants('managed');
  checkEqual(people.map((p) => p.identity).sort(), ['a', 'b'], 'participants');
  const camera = (await api.getParticipant('managed', 'a')).tracks.find((track) => track.source === TrackSource.CAMERA);
  check(camera?.sid.startsWith('TR_'), 'the camera track is listed');
  await api.mutePublishedTrack('managed', 'a', camera.sid, true);
  await until('the forced mute', () => b.evaluate(() => window.harness.saw('muted', { identity: 'a', source: 'camera' })));
  await api.updateRoomMetadata('managed', 'new agenda');
  await until('room metadata', () => b.evaluate(() => window.harness.saw('room-metadata', { metadata: 'new agenda' })));
  await api.updateParticipant('managed', 'a', { metadata: 'chair', name: 'Ann' });
  await until('metadata', () => b.evaluate(() => window.harness.saw('metadata', { metadata: 'chair' })));
  await api.sendData('managed', new TextEncoder().encode('from the server'), 0, { topic: 'api' });
  await until('data', () => a.evaluate(() => window.harness.received.some((m) => m.text === 'from the server')));
  await api.updateParticipant('managed', 'a', { permission: { canPublish: false, canSubscribe: true, canPublishData: true } });
  await until('the right to publish to be withdrawn', () => b.evaluate(() =>
    window.harness.remotes()[0].tracks.length === 0));
  await api.removeParticipant('managed', 'b');
  await until('b to be told', () => b.evaluate(() => window.harness.saw('room-disconnected', { reason: 4 })));
  await api.deleteRoom('managed');
  await until('a to be told', () => a.evaluate(() => window.harness.saw('room-disconnected', { reason: 5 })));
  checkEqual((await api.listRooms()).length, 0, 'rooms left');
});

test('the same identity again ends the older session', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t);
  const first = await newPage(browser, `${files}/interop/pages/client.html`);
  const second = await newPage(browser, `${files}/interop/pages/client.html`);
  const join = async (page) => page.evaluate((url, jwt) => window.harness.join(url, jwt), server.wsUrl, await server.token('twice', 'same'));
  await join(first);
  await join(second);
  await until('the first to be told', () => first.evaluate(() => window.harness.saw('room-disconnected', { reason: 2 })));
  checkEqual((await server.api().listParticipants('twice')).length, 1, 'participants');
});

test('wrong, expired and foreign tokens are refused with a reason that a page can read', async (t) => {
  const server = await startServer(t);
  const good = await server.token('r', 'me');
  const [header, body, signature] = good.split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const expired = await server.token('r', 'me', {}, { ttl: -120 });
  const noJoin = await server.token('r', 'me', { roomJoin: false });
  const bad = {
    'no token': '',
    'not a token': 'abc',
    'no signature': `${header}.${body}.`,
    'algorithm none': `${none}.${body}.`,
    'changed body': `${header}.${body.slice(0, -2)}xx.${signature}`,
    expired,
    'no right to join': noJoin,
  };
  for (const [what, token] of Object.entries(bad)) {
    for (const path of ['/rtc/validate', '/rtc/v1/validate']) {
      const reply = await fetch(`${server.url}${path}?access_token=${encodeURIComponent(token)}`, { headers: { origin: 'https://app.example' } });
      checkEqual(reply.status, 401, `${what} at ${path}`);
      checkEqual(reply.headers.get('access-control-allow-origin') !== null, true, `CORS for ${what}`);
      check((await reply.text()).length > 0, `${what} has a reason`);
    }
  }
  const reply = await fetch(`${server.url}/rtc/validate?access_token=${good}`);
  checkEqual([reply.status, await reply.text()], [200, 'success'], 'a good token');
});
