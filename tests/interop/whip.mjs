// WHIP in and WHEP out with a foreign stack: libwebrtc as packaged for Node.
import wrtc from '@roamhq/wrtc';
import { chromium, newPage } from '../lib/browsers.mjs';
import { colourNear, watchVideo } from '../lib/observe.mjs';
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const { RTCPeerConnection, nonstandard } = wrtc;
const WIDTH = 320;
const HEIGHT = 240;
const YUV = { y: 80, u: 90, v: 200 };
const RGB = [181, 42, 13];

function sendPicture(t) {
  const source = new nonstandard.RTCVideoSource();
  const data = new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2);
  let count = 0;
  const timer = setInterval(() => {
    data.fill(YUV.y, 0, WIDTH * HEIGHT);
    data.fill(YUV.u, WIDTH * HEIGHT, (WIDTH * HEIGHT * 5) / 4);
    data.fill(YUV.v, (WIDTH * HEIGHT * 5) / 4);
    for (let row = 0; row < HEIGHT; row++) data.fill(230, row * WIDTH + (count % 280), row * WIDTH + (count % 280) + 40);
    count += 8;
    source.onFrame({ width: WIDTH, height: HEIGHT, data });
  }, 40);
  t.defer(() => clearInterval(timer));
  return source.createTrack();
}

function sendSound(t) {
  const source = new nonstandard.RTCAudioSource();
  const samples = new Int16Array(480);
  let position = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < 480; i++) samples[i] = 8000 * Math.sin((2 * Math.PI * 600 * position++) / 48000);
    source.onData({ samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
  }, 10);
  t.defer(() => clearInterval(timer));
  return source.createTrack();
}

async function gathered(pc) {
  if (pc.iceGatheringState === 'complete') return;
  await Promise.race([new Promise((resolve) => pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && resolve())), sleep(3000)]);
}

async function exchange(t, server, kind, token, pc, query = '') {
  await pc.setLocalDescription(await pc.createOffer());
  await gathered(pc);
  const reply = await fetch(`${server.url}/${kind}/v1${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
    body: pc.localDescription.sdp,
  });
  const answer = await reply.text();
  checkEqual(reply.status, 201, `${kind} status (${answer.slice(0, 200)})`);
  checkEqual(reply.headers.get('content-type'), 'application/sdp', 'content type');
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  const resource = new URL(reply.headers.get('location'), server.url);
  check(reply.headers.get('etag'), 'an ETag');
  return resource;
}

test('what comes in by WHIP is seen by a stock page and goes out by WHEP', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t, { args: ['--autoplay-policy=no-user-gesture-required'] });
  const page = await newPage(browser, `${files}/interop/pages/client.html`);
  await page.evaluate((url, jwt) => window.harness.join(url, jwt), server.wsUrl, await server.token('studio', 'viewer'));

  const sender = new RTCPeerConnection({ iceServers: [] });
  t.defer(() => sender.close());
  sender.addTransceiver(sendPicture(t), { direction: 'sendonly' });
  sender.addTransceiver(sendSound(t), { direction: 'sendonly' });
  const whipToken = await server.token('studio', 'encoder', { canSubscribe: false });
  const whip = await exchange(t, server, 'whip', whipToken, sender);
  await until('the page to see the WHIP picture', async () => {
    const picture = await watchVideo(page, '#encoder-camera');
    return picture && colourNear(picture.rgb, RGB, 60) && picture.changedShare > 0.02;
  }, 20_000);

  const receiver = new RTCPeerConnection({ iceServers: [] });
  t.defer(() => receiver.close());
  const got = { frames: 0, luma: 0, peak: 0 };
  receiver.addEventListener('track', ({ track }) => {
    if (track.kind === 'video') {
      const sink = new nonstandard.RTCVideoSink(track);
      sink.onframe = ({ frame }) => {
        got.frames++;
        got.luma = frame.data[(frame.width * frame.height) >> 1];
      };
      t.defer(() => sink.stop());
    } else {
      const sink = new nonstandard.RTCAudioSink(track);
      sink.ondata = ({ samples }) => (got.peak = Math.max(got.peak, ...samples.slice(0, 64)));
      t.defer(() => sink.stop());
    }
  });
  receiver.addTransceiver('video', { direction: 'recvonly' });
  receiver.addTransceiver('audio', { direction: 'recvonly' });
  const whepToken = await server.token('studio', 'player', { canPublish: false });
  const whep = await exchange(t, server, 'whep', whepToken, receiver, '?participant=encoder');
  await until('WHEP frames and sound', () => got.frames > 20 && got.peak > 1000, 20_000);
  check(Math.abs(got.luma - YUV.y) < 25 || got.luma > 200, `WHEP picture has luma ${got.luma}`);

  for (const [resource, token] of [[whip, whipToken], [whep, whepToken]]) {
    const reply = await fetch(resource, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
    checkEqual(reply.status, 200, 'DELETE');
  }
  await until('the page to see the encoder go', () => page.evaluate(() => window.harness.saw('disconnected', { identity: 'encoder' })));
});

test('WHIP and WHEP refuse strangers, other content and meetings', async (t) => {
  const server = await startServer(t);
  const { id } = await server.newMeeting();
  const post = (path, token, type = 'application/sdp', body = 'v=0\r\n') =>
    fetch(server.url + path, { method: 'POST', headers: { 'content-type': type, ...(token ? { authorization: `Bearer ${token}` } : {}) }, body });
  checkEqual((await post('/whip/v1', null)).status, 401, 'no token');
  checkEqual((await post('/whip/v1', 'x.y.z')).status, 401, 'bad token');
  const token = await server.token('studio', 'encoder');
  checkEqual((await post('/whip/v1', token, 'text/plain')).status, 415, 'wrong type');
  checkEqual((await post('/whip/v1', token)).status, 400, 'no sections');
  const meeting = await server.token(`cm_${id}`, 'encoder');
  checkEqual((await post('/whip/v1', meeting)).status, 403, 'WHIP into a meeting');
  checkEqual((await post('/whep/v1', meeting)).status, 403, 'WHEP out of a meeting');
});
