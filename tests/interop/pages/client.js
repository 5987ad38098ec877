// An application of unmodified livekit-client, driven by the test: it joins, publishes a synthetic picture and tone, and
// attaches whatever it is sent to elements that the test can look at and listen to.
const events = [];
const received = [];
let room = null;

function note(name, detail = {}) {
  events.push({ name, at: Math.round(performance.now()), ...detail });
}

function attach(track, publication, participant) {
  const element = track.attach();
  element.id = `${participant.identity}-${publication.source}`;
  element.muted = track.kind === 'video';
  document.getElementById('media').append(element);
}

function listen(target) {
  const { RoomEvent } = LivekitClient;
  target.on(RoomEvent.TrackSubscribed, attach);
  target.on(RoomEvent.TrackUnsubscribed, (_track, publication, who) => document.getElementById(`${who.identity}-${publication.source}`)?.remove());
  target.on(RoomEvent.TrackMuted, (publication, who) => note('muted', { identity: who.identity, source: publication.source }));
  target.on(RoomEvent.TrackUnmuted, (publication, who) => note('unmuted', { identity: who.identity, source: publication.source }));
  target.on(RoomEvent.TrackUnpublished, (publication, who) => note('unpublished', { identity: who.identity, source: publication.source }));
  target.on(RoomEvent.ParticipantConnected, (who) => note('connected', { identity: who.identity }));
  target.on(RoomEvent.ParticipantDisconnected, (who) => note('disconnected', { identity: who.identity }));
  target.on(RoomEvent.Reconnecting, () => note('reconnecting'));
  target.on(RoomEvent.SignalReconnecting, () => note('signal-reconnecting'));
  target.on(RoomEvent.Reconnected, () => note('reconnected'));
  target.on(RoomEvent.Disconnected, (reason) => note('room-disconnected', { reason }));
  target.on(RoomEvent.ActiveSpeakersChanged, (speakers) => note('speakers', { identities: speakers.map((s) => s.identity) }));
  target.on(RoomEvent.ConnectionQualityChanged, (quality, who) => note('quality', { quality, identity: who.identity }));
  target.on(RoomEvent.ParticipantMetadataChanged, (_, who) => note('metadata', { identity: who.identity, metadata: who.metadata }));
  target.on(RoomEvent.ParticipantAttributesChanged, (changed, who) => note('attributes', { identity: who.identity, changed }));
  target.on(RoomEvent.ParticipantPermissionsChanged, (_, who) => note('permissions', { identity: who.identity, canPublish: who.permissions?.canPublish }));
  target.on(RoomEvent.RoomMetadataChanged, (metadata) => note('room-metadata', { metadata }));
  target.on(RoomEvent.TrackSubscriptionPermissionChanged, (publication, status, who) => note('permission', { identity: who.identity, source: publication.source, status }));
  target.on(RoomEvent.DataReceived, (payload, who, _kind, topic) => {
    received.push({ from: who?.identity ?? '', topic, text: new TextDecoder().decode(payload.slice(0, 200)), bytes: payload.length });
  });
  target.registerTextStreamHandler('lk.chat', async (reader, who) => {
    received.push({ from: who.identity, topic: 'lk.chat', text: await reader.readAll() });
  });
}

/** A canvas of one colour with a white bar that moves, as a video track. */
function pictureTrack([red, green, blue], { width = 1280, height = 720, fps = 30 } = {}) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  let left = 0;
  const draw = () => {
    context.fillStyle = `rgb(${red},${green},${blue})`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = 'white';
    context.fillRect(left, 0, width / 8, height);
    left = (left + width / 60) % width;
  };
  draw();
  setInterval(draw, 1000 / fps);
  return canvas.captureStream(fps).getVideoTracks()[0];
}

function toneTrack(hertz) {
  const audio = new AudioContext();
  const oscillator = audio.createOscillator();
  oscillator.frequency.value = hertz;
  const gain = audio.createGain();
  gain.gain.value = 0.4;
  const out = audio.createMediaStreamDestination();
  oscillator.connect(gain).connect(out);
  oscillator.start();
  return out.stream.getAudioTracks()[0];
}

window.harness = {
  events,
  received,
  get room() {
    return room;
  },
  async join(url, token, options = {}, connectOptions = {}) {
    room = new LivekitClient.Room({ adaptiveStream: false, dynacast: false, ...options });
    listen(room);
    const started = performance.now();
    await room.connect(url, token, { rtcConfig: { iceServers: [] }, ...connectOptions });
    note('joined', { ms: Math.round(performance.now() - started) });
    return { sid: room.localParticipant.sid, identity: room.localParticipant.identity };
  },
  async publish(rgb, hertz, options = {}, picture = {}) {
    const { Track } = LivekitClient;
    await room.localParticipant.publishTrack(pictureTrack(rgb, picture), { source: Track.Source.Camera, ...options });
    if (hertz) await room.localParticipant.publishTrack(toneTrack(hertz), { source: Track.Source.Microphone, dtx: false });
  },
  send: (text, options) => room.localParticipant.publishData(new TextEncoder().encode(text), options),
  chat: (text) => room.localParticipant.sendText(text, { topic: 'lk.chat' }),
  remotes: () => [...room.remoteParticipants.values()].map((who) => ({
    identity: who.identity,
    sid: who.sid,
    metadata: who.metadata,
    tracks: [...who.trackPublications.values()].map((publication) => ({
      source: publication.source,
      muted: publication.isMuted,
      subscribed: publication.isSubscribed,
      mime: publication.mimeType,
    })),
  })),
  saw: (name, match = {}) => events.filter((event) => event.name === name && Object.entries(match).every(([key, value]) => event[key] === value)).length,
  leave: () => room.disconnect(),
};
