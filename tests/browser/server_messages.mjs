// A server that does not keep to its part: what it says to a page starts nothing, changes nothing of what a person sends, and says nothing
// untrue of it. It stands before the real server and adds messages of its own to LiveKit's signalling.
import {
  ConnectionQuality, ConnectionQualityInfo, ConnectionQualityUpdate, DataTrackSubscriberHandles, DisconnectReason, Encryption_Type,
  LeaveRequest, LeaveRequest_Action, MediaSectionsRequirement, MuteTrackRequest, ParticipantInfo, ParticipantUpdate, PublishDataTrackResponse,
  RegionSettings, RequestResponse, Room, RoomMovedResponse, RoomUpdate, SignalResponse, SpeakerInfo, SpeakersChanged, StreamStateInfo,
  StreamStateUpdate, SubscribedAudioCodecUpdate, SubscribedCodec, SubscribedQuality, SubscribedQualityUpdate, SubscriptionPermissionUpdate,
  SubscriptionResponse, TrackInfo, TrackPublishedResponse, TrackSource, TrackSubscribed, TrackType, TrackUnpublishedResponse,
  UnpublishDataTrackResponse, VideoQuality,
} from '@livekit/protocol';
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { rogueRelay } from '../lib/rogue.mjs';
import { startServer } from '../lib/server.mjs';

/** Keeps each track that the page captures, and counts how often it asked for one. */
function recordCapture() {
  window.captured = [];
  window.asked = 0;
  const devices = navigator.mediaDevices;
  for (const name of ['getUserMedia', 'getDisplayMedia']) {
    const real = devices[name]?.bind(devices);
    if (!real) continue;
    devices[name] = async (wanted) => {
      window.asked++;
      const stream = await real(wanted);
      window.captured.push(...stream.getTracks().map((track) => ({ track, screen: name === 'getDisplayMedia' })));
      return stream;
    };
  }
}

/** What is captured, what the switches show, and how often a device was asked for. */
const seen = (page) =>
  page.evaluate(() => {
    const on = (kind, screen) => window.captured.filter((one) => one.screen === screen && one.track.kind === kind
      && one.track.readyState === 'live' && one.track.enabled).length;
    const pressed = (id) => document.querySelector(`[data-testid="${id}"]`)?.getAttribute('aria-pressed') === 'true';
    const tile = document.querySelector('[data-testid="tile"][data-local="true"][data-source="camera"]');
    return {
      captured: { mic: on('audio', false), camera: on('video', false), screen: on('video', true), screenSound: on('audio', true) },
      shown: { mic: pressed('toggle-mic'), camera: pressed('toggle-camera'), screen: pressed('share-screen') },
      tileMuted: tile?.dataset.muted,
      asked: window.asked,
    };
  });

/** What is shown is what is captured; answers it. */
async function honest(page, what) {
  const now = await seen(page);
  const { captured, shown } = now;
  checkEqual([shown.mic, shown.camera, shown.screen], [captured.mic > 0, captured.camera > 0, captured.screen > 0], `switches and tracks ${what}`);
  checkEqual(now.tileMuted, String(captured.mic === 0), `the own tile ${what}`);
  return now;
}

/** Ann at the page of a server that lies; `say` tells her something and comes back when she has heard it. */
async function atLiar(t, open = chromium) {
  const server = await startServer(t);
  const rogue = await rogueRelay(t, server);
  const known = { sid: '', tracks: {}, heard: new Set() };
  let ann;
  rogue.raw = (identity, bytes) => {
    const { message } = SignalResponse.fromBinary(bytes);
    if (ann?.identity === undefined || identity === ann.identity) {
      known.heard.add(message.case);
      if (message.case === 'join') known.sid = message.value.participant.sid;
      if (message.case === 'trackPublished') known.tracks[TrackSource[message.value.track.source]] = message.value.track.sid;
    }
    return bytes;
  };
  const meeting = await server.newMeeting();
  const page = await newPage(await open(t));
  await page.evaluateOnNewDocument(recordCapture);
  await page.goto(rogue.pageUrl + meeting.path, { waitUntil: 'domcontentloaded' });
  ann = new Person(page, 'Ann');
  await ann.join();
  ann.identity = [...rogue.media.keys()][0];
  await until('both tracks to be published', () => known.tracks.MICROPHONE && known.tracks.CAMERA);
  const tell = (message) => rogue.media.get(ann.identity).send(new SignalResponse({ message }).toBinary());
  const quality = (value) => ({
    case: 'connectionQuality',
    value: new ConnectionQualityUpdate({ updates: [new ConnectionQualityInfo({ participantSid: known.sid, quality: value })] }),
  });
  const weak = () => page.$('[data-testid="weak-connection"]');
  /** Messages are heard in their order: what was said before this has been. */
  const heard = async () => {
    await until('the page to listen', async () => {
      tell(quality(ConnectionQuality.POOR));
      return weak();
    });
    await until('the page to listen again', async () => {
      tell(quality(ConnectionQuality.EXCELLENT));
      return !(await weak());
    });
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
  };
  const say = async (message) => {
    tell(message);
    await heard();
  };
  return { server, rogue, meeting, ann, page, known, say, tell };
}

/** An honest server has given cause for none. */
const unalarmed = async (ann) => {
  await ann.click('open-security');
  await ann.shows('panel-security');
  checkEqual(await ann.page.$$eval('[data-testid="security-alarms"] li', (all) => all.map((one) => one.dataset.kind)), [], 'alarms before anything is done');
  await ann.click('open-security');
};
const alarmed = async (ann) => {
  await ann.click('open-security');
  await ann.page.waitForSelector('[data-testid="security-alarms"] [data-kind="meddling"]');
  await ann.click('open-security');
};

for (const [name, open] of [['Chromium', chromium], ['Firefox', firefox]]) {
  test(`a server cannot switch a microphone or a camera on or off in ${name}, and the page says that it tried`, { timeoutMs: 120_000 }, async (t) => {
    const { ann, page, known, say } = await atLiar(t, open);
    await until('a fresh token', () => known.heard.has('refreshToken'));
    await unalarmed(ann);
    for (const id of ['toggle-mic', 'toggle-camera']) await ann.click(id);
    await until('both to be off', async () => {
      const { captured, shown } = await seen(page);
      return captured.mic + captured.camera === 0 && !shown.mic && !shown.camera;
    });
    const before = await honest(page, 'before');
    for (const sid of [known.tracks.MICROPHONE, known.tracks.CAMERA]) {
      await say({ case: 'mute', value: new MuteTrackRequest({ sid, muted: false }) });
      checkEqual(await honest(page, 'after the server unmuted'), before, 'what is captured and shown');
    }
    await alarmed(ann);
    for (const id of ['toggle-mic', 'toggle-camera']) await ann.click(id);
    await until('both to be on', async () => {
      const { captured, shown } = await seen(page);
      return captured.mic === 1 && captured.camera === 1 && shown.mic && shown.camera;
    });
    for (const sid of [known.tracks.MICROPHONE, known.tracks.CAMERA]) {
      await say({ case: 'mute', value: new MuteTrackRequest({ sid, muted: true }) });
      const { captured } = await honest(page, 'after the server muted');
      checkEqual([captured.mic, captured.camera], [1, 1], 'what is captured');
    }
  });
}

/** Everything that the protocol has a server say to a page, in the form that would harm most, but what ends or renews the connection. */
function lies({ known, ann }) {
  const { sid, tracks } = known;
  const all = Object.values(tracks);
  const track = (source, more = {}) => new TrackInfo({ sid: tracks[source], source: TrackSource[source], muted: false, type: TrackType.AUDIO, ...more });
  const self = (more = {}) => new ParticipantInfo({
    sid, identity: ann.identity, version: 4_000_000_000, tracks: Object.keys(tracks).map((source) => track(source)), ...more,
  });
  const someToken = `x.${Buffer.from(JSON.stringify({ sub: 'somebody', video: { room: 'elsewhere' } })).toString('base64url')}.x`;
  const codecs = ['vp8', 'h264', 'vp9', 'av1'];
  return [
    ...all.flatMap((one) => [true, false].map((muted) => ({ case: 'mute', value: new MuteTrackRequest({ sid: one, muted }) }))),
    { case: 'update', value: new ParticipantUpdate({ participants: [self()] }) },
    { case: 'update', value: new ParticipantUpdate({ participants: [self({ permission: { canPublish: false, canSubscribe: false, canPublishSources: [] } })] }) },
    { case: 'update', value: new ParticipantUpdate({ participants: [self({ name: 'Mallory', metadata: '{}', attributes: { 'lk.agent': '1' }, state: 3 })] }) },
    { case: 'trackPublished', value: new TrackPublishedResponse({ cid: 'unasked', track: track('MICROPHONE', { sid: 'TR_other' }) }) },
    ...all.map((one) => ({
      case: 'subscribedQualityUpdate',
      value: new SubscribedQualityUpdate({
        trackSid: one,
        subscribedCodecs: codecs.map((codec) => new SubscribedCodec({
          codec, qualities: [0, 1, 2].map((quality) => new SubscribedQuality({ quality: VideoQuality[quality] ? quality : 0, enabled: true })),
        })),
      }),
    })),
    ...all.map((one) => ({ case: 'subscribedAudioCodecUpdate', value: new SubscribedAudioCodecUpdate({ trackSid: one }) })),
    { case: 'roomUpdate', value: new Room({ sid: 'RM_x', name: 'elsewhere', metadata: '{}', activeRecording: true }) && new RoomUpdate({ room: new Room({ sid: 'RM_x', name: 'elsewhere', activeRecording: true }) }) },
    { case: 'speakersChanged', value: new SpeakersChanged({ speakers: [new SpeakerInfo({ sid, level: 1, active: true })] }) },
    { case: 'streamStateUpdate', value: new StreamStateUpdate({ streamStates: all.map((trackSid) => new StreamStateInfo({ participantSid: sid, trackSid, state: 1 })) }) },
    { case: 'subscriptionPermissionUpdate', value: new SubscriptionPermissionUpdate({ participantSid: sid, trackSid: all[0], allowed: false }) },
    { case: 'subscriptionResponse', value: new SubscriptionResponse({ trackSid: all[0], err: 1 }) },
    { case: 'refreshToken', value: someToken },
    { case: 'requestResponse', value: new RequestResponse({ requestId: 1, reason: 2, message: 'no' }) },
    ...all.map((trackSid) => ({ case: 'trackSubscribed', value: new TrackSubscribed({ trackSid }) })),
    { case: 'roomMoved', value: new RoomMovedResponse({ room: new Room({ sid: 'RM_x', name: 'elsewhere' }), token: someToken, participant: self({ identity: 'somebody' }) }) },
    { case: 'mediaSectionsRequirement', value: new MediaSectionsRequirement({ numAudios: 2, numVideos: 2 }) },
    { case: 'publishDataTrackResponse', value: new PublishDataTrackResponse({}) },
    { case: 'unpublishDataTrackResponse', value: new UnpublishDataTrackResponse({}) },
    { case: 'dataTrackSubscriberHandles', value: new DataTrackSubscriberHandles({}) },
    { case: 'leave', value: new LeaveRequest({ action: 99, regions: new RegionSettings({ regions: [{ url: 'ws://elsewhere', region: 'x' }] }) }) },
    { case: undefined, value: undefined },
  ];
}

test('nothing that a server can say starts, stops or changes what a person sends, or shows it otherwise', { timeoutMs: 240_000 }, async (t) => {
  const liar = await atLiar(t);
  const { ann, page, say } = liar;
  await ann.click('share-screen');
  await ann.shows('own-share', 30_000);
  await until('the screen to be published', () => liar.known.tracks.SCREEN_SHARE);
  const on = await honest(page, 'with everything on');
  checkEqual([on.captured.mic, on.captured.camera, on.captured.screen], [1, 1, 1], 'what is captured');
  for (const [i, lie] of lies(liar).entries()) {
    await say(lie);
    checkEqual(await honest(page, `after ${lie.case} (${i})`), on, `what is captured and shown after ${lie.case} (${i})`);
  }
  for (const id of ['toggle-mic', 'toggle-camera', 'share-screen']) await ann.click(id);
  const off = await until('everything to be off', async () => {
    const now = await seen(page);
    return Object.values(now.captured).every((n) => n === 0) && Object.values(now.shown).every((one) => !one) && now;
  });
  for (const [i, lie] of lies(liar).entries()) {
    await say(lie);
    checkEqual(await honest(page, `after ${lie.case} (${i})`), off, `what is captured and shown after ${lie.case} (${i})`);
  }
  check(await page.$('[data-testid="meeting"]'), 'Ann is in the meeting still');
});

test('a track that the server does not take any longer is shown as off, and the person reads so', { timeoutMs: 120_000 }, async (t) => {
  const { ann, page, known, say } = await atLiar(t);
  await say({ case: 'trackUnpublished', value: new TrackUnpublishedResponse({ trackSid: known.tracks.MICROPHONE }) });
  await until('the microphone to be off', async () => !(await ann.pressed('toggle-mic')));
  await honest(page, 'after the server gave a track up');
  await until('words', async () => /microphone could not be sent/.test(await page.evaluate(() => document.body.innerText)));
  await ann.click('toggle-mic');
  await until('it to be on again', () => ann.pressed('toggle-mic'));
  await honest(page, 'switched on again');
});

/** The ways in which a connection is lost and restored. */
const WAYS = {
  'a resumption': ({ tell }) => tell({ case: 'leave', value: new LeaveRequest({ action: LeaveRequest_Action.RESUME, reason: DisconnectReason.STATE_MISMATCH }) }),
  'a full reconnection': ({ tell }) => tell({ case: 'leave', value: new LeaveRequest({ action: LeaveRequest_Action.RECONNECT, reason: DisconnectReason.STATE_MISMATCH }) }),
  'a restart of the server': async ({ server, ann }) => {
    await server.stop();
    await ann.shows('reconnecting', 20_000);
    await server.start();
  },
};

for (const [way, happen] of Object.entries(WAYS)) {
  test(`after ${way} the switches show what is sent: microphone, camera and screen, on and off`, { timeoutMs: 240_000 }, async (t) => {
    const liar = await atLiar(t);
    const { ann, page, rogue, server, meeting } = liar;
    const again = async () => {
      const before = liar.rogue.media.get(ann.identity);
      await happen(liar);
      await until('a new connection', () => liar.rogue.media.get(ann.identity) !== before, 40_000);
      await until('Ann to be back', async () => !(await page.$('[data-testid="reconnecting"]')), 60_000);
    };
    const states = [[true, true, true], [false, true, false], [true, false, true]];
    for (const [mic, camera, screen] of states) {
      const wanted = { mic, camera, screen };
      for (const [id, what] of [['toggle-mic', 'mic'], ['toggle-camera', 'camera'], ['share-screen', 'screen']]) {
        if ((await ann.pressed(id)) === wanted[what]) continue;
        await ann.click(id);
        await until(`${what} to be ${wanted[what]}`, async () => (await ann.pressed(id)) === wanted[what]);
      }
      await again();
      await until(`switches and tracks to be ${JSON.stringify(wanted)} after ${way}`, async () => {
        const { captured, shown } = await seen(page);
        const right = Object.entries(wanted).every(([what, on]) => shown[what] === on && (captured[what] > 0) === on);
        return right || Promise.reject(new Error(JSON.stringify({ captured, shown })));
      });
      // and so do those to whom it is sent
      const bob = await arrive(await page.browser().createBrowserContext(), server.pageUrl + meeting.path, 'Bob', { camera: false });
      if (screen) await bob.tileOf('Ann', 'screen_share');
      await until('Bob to see the same', async () => {
        const tiles = (await bob.tiles()).filter((tile) => tile.identity === ann.identity);
        const own = tiles.find((tile) => tile.source === 'camera');
        return own?.muted === String(!mic) && tiles.some((tile) => tile.source === 'screen_share') === screen;
      }, 20_000);
      await bob.click('leave');
      await bob.ended('left');
      await bob.page.close();
      await page.bringToFront();
    }
    void rogue;
  });
}
