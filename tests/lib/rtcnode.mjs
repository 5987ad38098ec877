// A participant made of @livekit/rtc-node (the Rust SDK): publishes a colour and a tone, and records what it gets.
import { EventEmitter } from 'node:events';
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  EncryptionType,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';
import { sleep } from './runner.mjs';

const RATE = 48000;
const WHITE = 0xffffffff;
/** Looking at each picture of each person would take more than a processor when there are many. */
const LOOK_MS = 250;
/** What a glance wants: pictures that go on coming, and a sound that is no noise. */
const GLANCE_FRAMES = 5;
const GLANCE_PEAK = 1000;
// every Room listens on what the SDK shares between rooms
EventEmitter.defaultMaxListeners = 50;

async function playTone(source, hertz, stopped) {
  const samples = RATE / 50;
  let position = 0;
  while (!stopped()) {
    const frame = AudioFrame.create(RATE, 1, samples);
    for (let i = 0; i < samples; i++, position++) {
      frame.data[i] = Math.round(9000 * Math.sin((2 * Math.PI * hertz * position) / RATE));
    }
    await source.captureFrame(frame);
  }
}

async function showColour(source, [r, g, b], { width, height, fps }, stopped) {
  const ground = new Uint32Array(new Uint8Array([r, g, b, 255]).buffer)[0];
  for (let count = 0; !stopped(); count++) {
    const pixels = new Uint32Array(width * height).fill(ground);
    const bar = (count * 12) % width;
    for (let row = 0; row < pixels.length; row += width) pixels.fill(WHITE, row + bar, row + Math.min(bar + 80, width));
    const rgba = new Uint8Array(pixels.buffer);
    source.captureFrame(new VideoFrame(rgba, width, height, VideoBufferType.RGBA));
    await sleep(1000 / fps);
  }
}

async function watch(track, record, stopped, glance) {
  const stream = new VideoStream(track);
  let nextLook = 0;
  for await (const { frame } of stream) {
    if (stopped()) break;
    record.frames++;
    record.width = frame.width;
    if (performance.now() < nextLook) continue;
    nextLook = performance.now() + LOOK_MS;
    const rgba = frame.convert(VideoBufferType.RGBA);
    // the median over a sparse grid: the bar covers less than half
    const median = [0, 1, 2].map((channel) => {
      const values = [];
      for (let i = channel; i < rgba.data.length; i += 4 * 997) values.push(rgba.data[i]);
      return values.sort((a, b) => a - b)[values.length >> 1];
    });
    record.rgb = median;
    if (glance && record.frames > GLANCE_FRAMES) break;
  }
}

async function hear(track, record, stopped, glance) {
  const stream = new AudioStream(track, { sampleRate: RATE, numChannels: 1, frameSizeMs: 100 });
  let last = 0;
  let crossings = 0;
  let samples = 0;
  for await (const frame of stream) {
    if (stopped()) break;
    for (const value of frame.data) {
      if ((last < 0 && value >= 0) || (last >= 0 && value < 0)) crossings++;
      if (Math.abs(value) > record.peak) record.peak = Math.abs(value);
      last = value;
    }
    samples += frame.data.length;
    if (samples >= RATE) {
      record.hertz = Math.round(crossings / 2 / (samples / RATE));
      crossings = 0;
      samples = 0;
    }
    if (glance && record.peak > GLANCE_PEAK) break;
  }
}

/** `e2ee` with the SDK's own encryption and one key for all. */
export const sealed = () => ({
  encryptionType: EncryptionType.GCM,
  keyProviderOptions: {
    sharedKey: new TextEncoder().encode('a key of the test'),
    ratchetSalt: new TextEncoder().encode('LKFrameEncryptionKey'),
    ratchetWindowSize: 16,
    failureTolerance: -1,
  },
});

/**
 * `watches: false` takes no pictures and sounds of others, which costs nearly nothing. `glance: true` takes them all, but
 * looks at each only until it was seen and heard: the SDK tells everything to everybody who looks, so that the looking of
 * ten at each other would fill a processor. `e2ee`: the SDK's own frame encryption, without which meetings take no track.
 */
export async function rtcNodeParticipant(t, url, token, { watches = true, glance = false, e2ee } = {}) {
  const room = new Room();
  const seen = { video: {}, audio: {}, data: [], muted: [], reconnected: 0, disconnected: 0, reconnecting: 0 };
  let done = false;
  const stopped = () => done;
  room.on(RoomEvent.TrackSubscribed, (track, publication, who) => {
    if (track.kind === TrackKind.KIND_VIDEO) {
      const record = (seen.video[who.identity] = { frames: 0, rgb: null, width: 0 });
      void watch(track, record, stopped, glance).catch(() => {});
    } else {
      const record = (seen.audio[who.identity] = { hertz: 0, peak: 0 });
      void hear(track, record, stopped, glance).catch(() => {});
    }
  });
  room.on(RoomEvent.DataReceived, (payload, who, _kind, topic) => {
    seen.data.push({ from: who?.identity ?? '', topic, text: new TextDecoder().decode(payload) });
  });
  room.on(RoomEvent.TrackMuted, (publication, who) => seen.muted.push(who.identity));
  room.on(RoomEvent.Reconnecting, () => seen.reconnecting++);
  room.on(RoomEvent.Reconnected, () => seen.reconnected++);
  room.on(RoomEvent.Disconnected, () => seen.disconnected++);
  await room.connect(url, token, { autoSubscribe: watches, dynacast: false, ...(e2ee ? { encryption: e2ee } : {}) });
  t.defer(async () => {
    done = true;
    await room.disconnect();
  });
  return {
    room,
    seen,
    async publish(rgb, hertz, picture = { width: 640, height: 360, fps: 20 }) {
      const video = new VideoSource(picture.width, picture.height);
      const videoOptions = new TrackPublishOptions();
      videoOptions.source = TrackSource.SOURCE_CAMERA;
      await room.localParticipant.publishTrack(LocalVideoTrack.createVideoTrack('camera', video), videoOptions);
      void showColour(video, rgb, picture, stopped).catch(() => {});
      const audio = new AudioSource(RATE, 1);
      const audioOptions = new TrackPublishOptions();
      audioOptions.source = TrackSource.SOURCE_MICROPHONE;
      await room.localParticipant.publishTrack(LocalAudioTrack.createAudioTrack('microphone', audio), audioOptions);
      void playTone(audio, hertz, stopped).catch(() => {});
    },
    send: (text, options = { reliable: true, topic: 'test' }) =>
      room.localParticipant.publishData(new TextEncoder().encode(text), options),
  };
}
