// Media of meetings, with the Rust SDK and its own frame encryption as the stand-in for a browser's.
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { rtcNodeParticipant, sealed } from '../lib/rtcnode.mjs';
import { enter } from '../lib/member.mjs';

async function meetingOf(t, server, names) {
  const meeting = await server.newMeeting();
  const members = [];
  for (const name of names) members.push(await enter(t, server, meeting, name, { host: members.length === 0 }));
  return { meeting, members };
}

test('an unmodified SDK with a token of the meeting is refused', async (t) => {
  const server = await startServer(t);
  const { meeting } = await meetingOf(t, server, ['Ann']);
  const failure = await rtcNodeParticipant(t, server.wsUrl, await server.token(`cm_${meeting.id}`, 'stock')).catch((error) => error);
  check(failure instanceof Error, 'it got in');
  check(failure.message.includes('end-to-end encrypted'), `words: ${failure.message}`);
  checkEqual((await server.metrics()).conclave_participants, 0, 'participants');
});

test('members see each other; who is removed gets nothing more, at once', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { members: [ann, bob] } = await meetingOf(t, server, ['Ann', 'Bob']);
  const annMedia = await rtcNodeParticipant(t, server.wsUrl, ann.token, { e2ee: sealed() });
  const bobMedia = await rtcNodeParticipant(t, server.wsUrl, bob.token, { e2ee: sealed() });
  await annMedia.publish([200, 30, 30], 500);
  await until('pictures to arrive', () => bobMedia.seen.video[ann.identity]?.frames > 10, 20_000);
  checkEqual(await ann.do('remove', { identity: bob.identity }), 'OK', 'removing');
  await until('Bob to be out', () => bobMedia.seen.disconnected > 0);
  checkEqual((await server.metrics()).conclave_participants, 1, 'participants');
  checkEqual((await server.metrics()).conclave_subscriptions, 0, 'subscriptions');
  const frames = bobMedia.seen.video[ann.identity].frames;
  await sleep(500);
  check(bobMedia.seen.video[ann.identity].frames - frames <= 2, 'pictures went on');
  await until('nothing to be forwarded', async () => (await server.metrics()).conclave_sinks === 0);
});

test('a track without encryption, data and a name are refused in a meeting', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { members: [ann, bob] } = await meetingOf(t, server, ['Ann', 'Bob']);
  const annMedia = await rtcNodeParticipant(t, server.wsUrl, ann.token);
  const bobMedia = await rtcNodeParticipant(t, server.wsUrl, bob.token);
  const refused = async () => (await server.metrics()).conclave_control_meeting_clear_refused_total;
  void annMedia.publish([200, 30, 30], 500).catch(() => {});
  await until('the track to be refused', async () => (await refused()) >= 1, 20_000);
  checkEqual((await server.metrics()).conclave_tracks, 0, 'tracks');
  const before = await refused();
  void annMedia.room.localParticipant.updateName('Ann').catch(() => {});
  await until('the name to be refused', async () => (await refused()) > before, 20_000);
  void annMedia.send('hello').catch(() => {});
  await sleep(500);
  checkEqual(bobMedia.seen.data, [], 'data');
  check([...bobMedia.room.remoteParticipants.values()].every((who) => !who.name), 'names in the room');
});
