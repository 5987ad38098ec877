// Proof 1: a meeting of Chromium, Firefox and a native member, of which everything is known; and all that its server has:
// traffic behind hop decryption (by the server's own keys, tools/keylog.c), memory, disk. The server is the real one.
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { chromium, firefox, looks, newPage } from '../lib/browsers.mjs';
import { decryptMedia, framesOf, packets, startCapture, tcpStreams, webSocketMessages } from '../lib/capture.mjs';
import { arrive } from '../lib/meeting.mjs';
import { deriveLink } from '../lib/link.mjs';
import { enter } from '../lib/member.mjs';
import { colourNear } from '../lib/observe.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { filesOf, found, memoryOf, needles } from '../lib/search.mjs';
import { binary, startServer } from '../lib/server.mjs';
import { CODEC, deriveKey, openParts, splitKid, takeApart } from '../lib/sframe.mjs';
import { readWire } from '../lib/wire.mjs';
import { evidence, LONG } from './evidence.mjs';

const keylog = path.resolve(path.dirname(binary), '../../tools/keylog.so');
const MEDIA_MS = LONG ? 20_000 : 4000;
const DUMPS = LONG ? 6 : 3;
const AUDIO = 1;
const VIDEO = 2;

export const KNOWN = {
  'name in Chromium': 'Zaphira Quellmann',
  'name in Firefox': 'Ottokar Wimmelfeld',
  'name of the native member': 'Ludmilla Tannhofer',
  'chat of Chromium': 'the heron lands at the quiet harbour',
  'private chat of the native member': 'only you shall know of the brass lantern',
  'title': 'Budget of the velvet observatory',
  'name of the file': 'xylograph-figures.txt',
  'content of the file': 'seventeen copper kettles below the stairs',
};
const CANARY = 'canary-that-the-server-is-told-in-clear';

/** Decodes in a page that has no part in the meeting: {hertz} or {rgb}. */
const decodeSound = (page, frames) => page.evaluate(async (packed) => {
  const samples = [];
  const decoder = new AudioDecoder({
    output: (data) => {
      const plane = new Float32Array(data.numberOfFrames);
      data.copyTo(plane, { planeIndex: 0, format: 'f32-planar' });
      samples.push(...plane);
      data.close();
    },
    error: () => {},
  });
  decoder.configure({ codec: 'opus', sampleRate: 48000, numberOfChannels: 2 });
  packed.forEach((text, i) => decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: i * 20000, data: Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) })));
  await decoder.flush();
  // the tone that is strongest in any tenth of a second, by Goertzel
  let best = { hertz: 0, power: 0 };
  for (let at = 0; at + 4800 <= samples.length; at += 4800) {
    for (let hertz = 100; hertz <= 2000; hertz += 20) {
      const k = 2 * Math.cos((2 * Math.PI * hertz) / 48000);
      let a = 0;
      let b = 0;
      for (let i = at; i < at + 4800; i++) [a, b] = [samples[i] + k * a - b, a];
      const power = a * a + b * b - k * a * b;
      if (power > best.power) best = { hertz, power };
    }
  }
  return { ...best, samples: samples.length };
}, frames.map((bytes) => bytes.toString('base64')));

const decodePicture = (page, frames) => page.evaluate(async (packed) => {
  let rgb = null;
  let count = 0;
  const decoder = new VideoDecoder({
    output: (frame) => {
      const canvas = new OffscreenCanvas(64, 36);
      const context = canvas.getContext('2d');
      context.drawImage(frame, 0, 0, 64, 36);
      const { data } = context.getImageData(0, 0, 64, 36);
      rgb = [0, 1, 2].map((channel) => {
        const values = [];
        for (let i = channel; i < data.length; i += 4) values.push(data[i]);
        return values.sort((a, b) => a - b)[values.length >> 1];
      });
      count++;
      frame.close();
    },
    error: () => {},
  });
  decoder.configure({ codec: 'vp8' });
  for (const [i, text] of packed.entries()) {
    const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    if (decoder.state === 'configured') decoder.decode(new EncodedVideoChunk({ type: data[0] & 1 ? 'delta' : 'key', timestamp: i * 33000, data }));
  }
  await decoder.flush().catch(() => {});
  return { rgb, count };
}, frames.map((bytes) => bytes.toString('base64')));

let seen;
/** The meeting, once; tests look at what it left. */
const observed = (t) => (seen ??= meet(t));

async function dumped(server, when, sofar) {
  const chunks = memoryOf(server.pid);
  sofar.push({ when, chunks, bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0) });
}

async function meet(t) {
  const kept = evidence('1-what-the-server-sees');
  const keyFile = kept.file('hop-keys.txt');
  const server = await startServer(t, { env: { LD_PRELOAD: keylog, KEYLOG: keyFile } });
  const ports = [server.ports.http, server.ports.udp, server.ports.tcp];
  const capture = await startCapture(t, kept.file('traffic.pcap'), { device: 'any', markerPort: server.ports.udp, filter: ports.map((port) => `port ${port}`).join(' or ') });
  const meeting = await server.newMeeting();
  const native = await enter(t, server, meeting, KNOWN['name of the native member'], { exports: true, host: true });
  const opened = []; // sealed messages as they came, each with what it was opened to
  native.socket.on('message', (bytes) => opened.push({ bytes, chats: native.of('chat').length }));
  const [inChromium, inFirefox] = [await chromium(t, { look: 'red' }), await firefox(t)];
  const url = server.pageUrl + meeting.path;
  const ann = await arrive(inChromium, url, KNOWN['name in Chromium']);
  const bob = await arrive(inFirefox, url, KNOWN['name in Firefox']);
  await ann.page.bringToFront();
  await bob.seesMoving(KNOWN['name in Chromium'], { rgb: looks.red.rgb });
  await bob.hears(KNOWN['name in Chromium'], { hertz: looks.red.hertz });
  await until('three people', async () => (await native.people()).people.every((p) => p.name) && (await native.people()).people.length === 3);
  const dumps = [];
  await dumped(server, 'three are there', dumps);
  const chromiumIdentity = (await native.people()).people.find((p) => p.name === KNOWN['name in Chromium']).identity;
  checkEqual(await native.do('title', { text: KNOWN.title }), 'OK', 'title');
  checkEqual(await native.do('chat', { to: chromiumIdentity, text: KNOWN['private chat of the native member'] }), 'OK', 'private chat');
  await ann.click('open-chat');
  await ann.shows('chat-input');
  await ann.page.type('[data-testid="chat-input"]', KNOWN['chat of Chromium']);
  await ann.click('chat-send');
  await until('the chat', () => native.of('chat').some((chat) => chat.text === KNOWN['chat of Chromium']));
  await dumped(server, 'right after the chat', dumps);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-proof-'));
  t.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  const content = `${KNOWN['content of the file']}. `.repeat(3000);
  fs.writeFileSync(path.join(folder, KNOWN['name of the file']), content);
  const input = await ann.page.waitForSelector('[data-testid="chat-file-input"]');
  await input.uploadFile(path.join(folder, KNOWN['name of the file']));
  const file = await until('the file', () => native.of('file').at(-1), 30_000);
  // what must be found by the same search: something that the server is told in clear, while it has it
  const line = net.connect(server.ports.http, '127.0.0.1');
  line.on('error', () => {});
  t.defer(() => line.destroy());
  line.write(`GET /${CANARY} HTTP/1.1\r\nHost: localhost\r\nX-Canary: ${CANARY}\r\n`);
  for (let i = dumps.length; i < DUMPS; i++) {
    await sleep(MEDIA_MS / (DUMPS - 2));
    await dumped(server, `dump ${i + 1}`, dumps);
  }
  await ann.click('open-security');
  await ann.shows('panel-security');
  const panel = { epoch: Number(await ann.text('security-epoch')), suite: await ann.text('security-suite') };
  const people = (await native.people()).people;
  const disk = filesOf(path.join(server.dir, 'data'));
  fs.cpSync(path.join(server.dir, 'data'), kept.file('disk'), { recursive: true, filter: (name) => !fs.lstatSync(name).isSocket() });
  checkEqual(native.of('alarm'), [], 'alarms');
  // decoded by a page of a browser that has nothing to do with the meeting
  const decoder = await newPage(await inChromium.createBrowserContext(), server.pageUrl);
  await capture.stop();
  const all = [...packets(capture.file)];
  const media = decryptMedia(all, server.ports.udp, fs.readFileSync(keyFile, 'utf8'));
  const streams = tcpStreams(all, [server.ports.http, server.ports.tcp]);
  const sockets = streams.map((stream) => ({ ...stream, messages: webSocketMessages(stream) }));
  const keys = native.of('keys').map(({ epoch, leaf, key }) => ({ epoch, leaf, key: Buffer.from(key, 'hex') }));
  kept.write('group-keys.json', JSON.stringify(native.of('keys'), null, 1));
  kept.write('people.json', JSON.stringify(people, null, 1));
  kept.add('summary.txt', `packets ${all.length}; SRTP ${media.encrypted}, opened with the server's keys ${media.rtp.length}, not ${media.failed}; DTLS messages ${media.data.length}; WebSocket messages ${sockets.reduce((sum, s) => sum + s.messages.length, 0)}`);
  for (const { when, bytes } of dumps) kept.add('summary.txt', `memory, ${when}: ${bytes} bytes`);
  const result = { kept, server, meeting, native, chromiumIdentity, dumps, disk, all, media, streams, sockets, keys, people, panel, file, content, opened, master: hopSecret(keyFile) };
  result.decoded = await decode(decoder, result);
  return result;
}

/** A key that the server does have: the hop's. */
const hopSecret = (keyFile) => Buffer.from(fs.readFileSync(keyFile, 'utf8').trim().split('\n').at(-1).split(' ')[2], 'hex');

function groupBy(list, nameOf) {
  const groups = {};
  for (const one of list) (groups[nameOf(one)] ??= []).push(one);
  return groups;
}

/** Frames of all SSRCs that go to the server, taken apart. */
export function sealedFrames({ media }) {
  const by = new Map();
  for (const packet of media.rtp.filter((one) => one.toServer)) {
    const name = `${packet.ssrc}/${packet.type}`;
    if (!by.has(name)) by.set(name, []);
    by.get(name).push(packet);
  }
  const frames = [];
  for (const [name, list] of by) {
    for (const [codec, kind] of [['opus', AUDIO], ['vp8', VIDEO]]) {
      for (const frame of framesOf(codec, list)) {
        const parts = takeApart(CODEC[codec], frame.bytes);
        if (parts) frames.push({ name, codec, kind, timestamp: frame.timestamp, parts, said: splitKid(parts.kid) });
      }
    }
  }
  return frames;
}

/** What the keys of the group open, by leaf and codec. */
export function openedFrames(seenOf) {
  const open = [];
  for (const frame of sealedFrames(seenOf)) {
    const key = seenOf.keys.find(({ epoch }) => epoch % 256 === frame.said.epoch8);
    const plain = key && openParts(frame.parts, key.key, CODEC[frame.codec], frame.kind);
    if (plain) open.push({ ...frame, epoch: key.epoch, plain });
  }
  return open;
}

/** What the Chromium person's frames are, decoded by a page that has no part in the meeting. */
async function decode(page, seenOf) {
  const { leaf } = seenOf.people.find((p) => p.identity === seenOf.chromiumIdentity);
  const own = openedFrames(seenOf).filter((frame) => frame.said.leaf === leaf);
  // one layer of the camera at a time: what came on one SSRC
  const byName = (codec) => Object.values(groupBy(own.filter((frame) => frame.codec === codec), (frame) => frame.name)).sort((a, b) => b.length - a.length);
  const [sounds] = byName('opus');
  const pictures = byName('vp8');
  const tone = await decodeSound(page, (sounds ?? []).map((frame) => frame.plain));
  let picture = null;
  for (const list of pictures) if (!picture?.rgb) picture = await decodePicture(page, list.map((frame) => frame.plain));
  return { tone, picture, sounds: sounds?.length ?? 0, pictures: pictures.map((list) => list.length) };
}

function secrets(seenOf) {
  const { secret, ownerSeed } = seenOf.meeting;
  const { seed, psk } = deriveLink(secret);
  const all = { 'link secret': secret, 'link PSK': psk, 'seed of the link key': seed, 'seed of the owner': ownerSeed, 'file key': Buffer.from(seenOf.file.key, 'hex') };
  for (const { epoch, key } of seenOf.keys) all[`base key of epoch ${epoch}`] = key;
  for (const kid of new Set(openedFrames(seenOf).map((frame) => frame.parts.kid))) {
    const { epoch8 } = splitKid(kid);
    all[`frame key ${kid}`] = deriveKey(seenOf.keys.find(({ epoch }) => epoch % 256 === epoch8).key, kid).key;
  }
  return all;
}

const hidden = (seenOf) => needles({ texts: KNOWN, keys: secrets(seenOf) });

test('1 the traffic, as the server has it, holds no word, name, file or key', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const { media, streams, sockets, kept } = seenOf;
  check(media.handshakes >= 2 && media.encrypted > 200, `media: ${JSON.stringify({ handshakes: media.handshakes, encrypted: media.encrypted })}`);
  check(media.failed < media.encrypted / 50, `${media.failed} of ${media.encrypted} packets could not be read as the server reads them`);
  const chunks = [
    ...seenOf.all.flatMap((packet) => packet.payload ?? packet.frame ?? []), ...streams.map((stream) => stream.bytes), ...sockets.flatMap((socket) => socket.messages),
    Buffer.concat(media.rtp.map((packet) => packet.payload)), Buffer.concat(media.data.map((message) => message.data)),
  ];
  const list = hidden(seenOf);
  const told = found(needles({ texts: { canary: CANARY, 'meeting id': seenOf.meeting.id, identity: seenOf.chromiumIdentity } }), chunks);
  kept.add('summary.txt', `traffic: looked for ${list.length} forms, found ${JSON.stringify(found(list, chunks))}; of what it is told: ${JSON.stringify(told)}`);
  checkEqual(found(list, chunks), [], 'found in the traffic');
  for (const what of ['canary (UTF-8)', 'meeting id (UTF-8)', 'identity (UTF-8)']) check(told.includes(what), `the search does not find ${what}`);
});

test('1 the memory, read while they talk, holds no word, name, file or key', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const list = hidden(seenOf);
  const control = needles({ texts: { canary: CANARY, 'meeting id': seenOf.meeting.id }, keys: { 'key of a hop': seenOf.master } });
  for (const { when, chunks, bytes } of seenOf.dumps) {
    const hits = found(list, chunks);
    const told = found(control, chunks);
    seenOf.kept.add('summary.txt', `memory, ${when}: looked for ${list.length} forms, found ${JSON.stringify(hits)}; of what it has: ${JSON.stringify(told)}`);
    checkEqual(hits, [], `found in memory (${when})`);
    check(bytes > 1_000_000 && told.includes('meeting id (UTF-8)') && told.includes('key of a hop (raw)'), `the search does not find what is there (${when}): ${JSON.stringify(told)}`);
  }
  check(found(control, seenOf.dumps.at(-1).chunks).includes('canary (UTF-8)'), 'the search does not find the canary');
});

test('1 the disk holds no word, name, file or key', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const chunks = seenOf.disk.map((file) => file.bytes);
  const hits = found(hidden(seenOf), [...chunks, Buffer.from(seenOf.disk.map((file) => file.name).join('\n'))]);
  seenOf.kept.add('summary.txt', `disk: ${seenOf.disk.length} files, ${chunks.reduce((sum, chunk) => sum + chunk.length, 0)} bytes; found ${JSON.stringify(hits)}`);
  checkEqual(hits, [], 'found on disk');
  check(chunks.some((chunk) => chunk.length > seenOf.content.length), 'the sealed file is not among what was searched');
});

test('1 the same search finds the words of a room that is no meeting, in traffic and in memory', { timeoutMs: 120_000 }, async (t) => {
  const kept = evidence('1-what-the-server-sees');
  const keyFile = kept.file('control-hop-keys.txt');
  const server = await startServer(t, { env: { LD_PRELOAD: keylog, KEYLOG: keyFile } });
  const capture = await startCapture(t, kept.file('control.pcap'), { device: 'any', markerPort: server.ports.udp, filter: `port ${server.ports.udp}` });
  const [ann, bob] = [await rtcNodeParticipant(t, server.wsUrl, await server.token('plain', 'ann')), await rtcNodeParticipant(t, server.wsUrl, await server.token('plain', 'bob'))];
  await ann.send(KNOWN['chat of Chromium']);
  await until('the words to arrive', () => bob.seen.data.length > 0);
  const memory = memoryOf(server.pid);
  await capture.stop();
  const media = decryptMedia([...packets(capture.file)], server.ports.udp, fs.readFileSync(keyFile, 'utf8'));
  const list = needles({ texts: { words: KNOWN['chat of Chromium'] } });
  for (const [where, chunks] of Object.entries({ traffic: media.data.map((message) => message.data), memory })) {
    kept.add('summary.txt', `control, a room of the LiveKit API without encryption: ${where}: ${JSON.stringify(found(list, chunks))}`);
    check(found(list, chunks).includes('words (UTF-8)'), `not found in the ${where} of a server that has them`);
  }
});

test('1 with a key that a member gave away the same traffic opens to the tone and the picture', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const { tone, picture, sounds, pictures } = seenOf.decoded;
  seenOf.kept.add('summary.txt', `opened with the exported keys: ${sounds} frames of sound (tone ${tone.hertz} Hz), ${pictures} of picture (colour ${picture?.rgb})`);
  check(sounds > 50 && pictures[0] > 20, `frames: ${sounds} of sound, ${pictures} of picture`);
  check(Math.abs(tone.hertz - looks.red.hertz) < 45, `tone ${JSON.stringify(tone)}`);
  check(picture?.rgb && colourNear(picture.rgb, looks.red.rgb), `picture ${JSON.stringify(picture)}`);
});

test('1 no frame opens with other keys, and all sound and picture that is sent is sealed', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const frames = sealedFrames(seenOf);
  const open = new Set(openedFrames(seenOf).map((frame) => `${frame.name} ${frame.codec} ${frame.parts.kid} ${frame.parts.ctr}`));
  const other = crypto.randomBytes(32);
  const wrong = frames.filter((frame) => open.has(`${frame.name} ${frame.codec} ${frame.parts.kid} ${frame.parts.ctr}`)).slice(0, 500);
  checkEqual(wrong.filter((frame) => openParts(frame.parts, other, CODEC[frame.codec], frame.kind)).length, 0, 'frames that a random key opens');
  // per stream: of what came whole nearly all must open (padding and probes are no frames)
  const streams = groupBy(openedFrames(seenOf), (frame) => frame.name);
  const lines = [];
  for (const [name, list] of Object.entries(streams)) {
    const sent = seenOf.media.rtp.filter((packet) => packet.toServer && `${packet.ssrc}/${packet.type}` === name);
    const whole = framesOf(list[0].codec, sent);
    lines.push(`${name}: ${list[0].codec}, leaf ${list[0].said.leaf}, ${whole.length} whole frames, ${list.length} open`);
    check(list.length >= whole.length * 0.95 - 2, `a stream with frames that are not sealed for the group: ${lines.at(-1)}`);
  }
  // the rest is what was sent again (RFC 4588: behind two bytes), or padding
  const originals = new Set(seenOf.media.rtp.filter((packet) => streams[`${packet.ssrc}/${packet.type}`]).map((packet) => packet.payload.toString('latin1')));
  const again = seenOf.media.rtp.filter((packet) => packet.toServer && !streams[`${packet.ssrc}/${packet.type}`] && packet.payload.length > 0);
  checkEqual(again.filter((packet) => !originals.has(packet.payload.toString('latin1', 2))).length, 0, 'packets to the server that are neither sealed frames nor copies of such');
  lines.push(`sent again: ${again.length} packets, each a copy of a sealed one`);
  seenOf.kept.add('summary.txt', lines.join('\n'));
  // each leaf of a browser has sound and picture among them
  for (const person of seenOf.people.filter((p) => !p.self)) {
    const codecs = new Set(Object.values(streams).filter((list) => list[0].said.leaf === person.leaf).map((list) => list[0].codec));
    checkEqual([...codecs].sort(), ['opus', 'vp8'], `streams of ${person.name}`);
  }
});

test('1 the sealed file that the server took opens with the key that a member was told, and is the file', { timeoutMs: 300_000 }, async (t) => {
  const { file, content, streams } = await observed(t);
  const upload = streams.find((stream) => stream.toServer && stream.bytes.toString('latin1').includes(`/files HTTP/1.1`));
  check(upload, 'no upload in the capture');
  const start = upload.bytes.indexOf('\r\n\r\n', upload.bytes.indexOf('/files HTTP/1.1')) + 4;
  const CHUNK = 65536;
  const count = Math.ceil(content.length / CHUNK);
  let text = '';
  for (let i = 0, at = start; i < count; i++) {
    const length = Math.min(CHUNK, content.length - i * CHUNK);
    const nonce = Buffer.alloc(12);
    nonce[7] = i === count - 1 ? 1 : 0;
    nonce.writeUInt32BE(i, 8);
    const opener = crypto.createDecipheriv('aes-256-gcm', Buffer.from(file.key, 'hex'), nonce);
    opener.setAuthTag(upload.bytes.subarray(at + length, at + length + 16));
    text += opener.update(upload.bytes.subarray(at, at + length)).toString() + opener.final().toString();
    at += length + 16;
  }
  check(text === content, 'the content');
  checkEqual(file.name, KNOWN['name of the file'], 'name of the file');
});

test('1 the sealed message that carried the words is in the capture, and the member opened it to the words', { timeoutMs: 300_000 }, async (t) => {
  const { opened, native, sockets } = await observed(t);
  const index = native.of('chat').findIndex((chat) => chat.text === KNOWN['chat of Chromium']);
  check(index >= 0, 'the chat did not reach the native member');
  // the last message before which this chat was not there and after which it was
  const carrier = opened.findLast((one) => one.chats <= index && ['app_from'].includes(readWire(one.bytes).type));
  check(carrier, 'no sealed message');
  const { message } = readWire(carrier.bytes);
  check(sockets.some((socket) => socket.toServer && socket.messages.some((bytes) => bytes.includes(message))), 'the sealed message is not what the server got');
  check(sockets.some((socket) => !socket.toServer && socket.messages.some((bytes) => bytes.equals(carrier.bytes))), 'nor what it passed on');
});

test('4 frames of browsers name the epoch and the leaf that the security panel shows', { timeoutMs: 300_000 }, async (t) => {
  const seenOf = await observed(t);
  const kept = evidence('4-every-frame');
  const { leaf } = seenOf.people.find((p) => p.identity === seenOf.chromiumIdentity);
  const own = openedFrames(seenOf).filter((frame) => frame.said.leaf === leaf);
  check(own.length > 100, `${own.length} frames`);
  for (const codec of ['opus', 'vp8']) {
    const last = own.filter((frame) => frame.codec === codec).at(-1);
    checkEqual(last.said.epoch8, seenOf.panel.epoch % 256, `epoch of the last ${codec} frame and on the panel`);
  }
  check(/256/.test(seenOf.panel.suite) || seenOf.panel.suite.length > 0, `suite ${seenOf.panel.suite}`);
  const pairs = new Set(own.map((frame) => `${frame.parts.kid} ${frame.epoch} ${frame.parts.ctr}`));
  const distinct = new Set(own.map((frame) => frame.parts.body.toString('latin1')));
  checkEqual(pairs.size, distinct.size, 'pairs of key and counter, and different frames');
  kept.add('frames.txt', `Chromium in a meeting: ${distinct.size} frames, leaf ${leaf}, panel: epoch ${seenOf.panel.epoch}, ${seenOf.panel.suite}`);
});
