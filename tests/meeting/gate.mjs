// The gate between the group and the media: who is not in the group has none, and nothing readable passes.
import WebSocket from 'ws';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { enter, Member } from '../lib/member.mjs';

/** The status and words with which /rtc refuses, or a WebSocket that got its first message. */
function connectMedia(server, token) {
  const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${token}`);
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.once('message', () => resolve({ status: 101, socket }));
    socket.once('unexpected-response', (request, reply) => {
      let text = '';
      reply.on('data', (chunk) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode, text }));
    });
  });
}

test('media is refused, in words, to whoever is not in the group', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  await enter(t, server, meeting, 'Ann', { host: true });
  const stock = await server.token(`cm_${meeting.id}`, 'stock');
  // the token of a seat that has proven the link and is not in
  const waiting = await server.newMeeting({ kind: 1 });
  const guest = new Member(server, waiting, 'Guest', {});
  t.defer(() => guest.stop());
  guest.start();
  await until('the guest to have a token', () => guest.token);
  for (const each of [guest.token, stock]) {
    const refused = await connectMedia(server, each);
    checkEqual(refused.status, 503, 'status of /rtc');
    check(refused.text.includes('end-to-end encrypted'), `words of /rtc: ${refused.text}`);
    for (const path of ['/rtc/validate', '/rtc/v1/validate']) {
      const reply = await fetch(`${server.url}${path}?access_token=${each}`);
      checkEqual(reply.status, 503, `status of ${path}`);
      check((await reply.text()).includes('open its link in a browser'), `words of ${path}`);
    }
  }
  checkEqual((await connectMedia(server, await server.token('plain', 'stock'))).status, 101, 'a room that is no meeting');
});

test('a member has media until it is removed: then at once none, and no way back', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  const annMedia = await connectMedia(server, ann.token);
  const bobMedia = await connectMedia(server, bob.token);
  checkEqual([annMedia.status, bobMedia.status], [101, 101], 'media of members');
  const closed = new Promise((resolve) => bobMedia.socket.once('close', () => resolve('closed')));
  await until('Ann to know Bob', async () => (await ann.people()).people.length === 2);
  checkEqual(await bob.do('remove', { identity: ann.identity }), 'PROPOSAL_REFUSED', 'a guest removes the host');
  checkEqual(await ann.do('remove', { identity: bob.identity }), 'OK', 'the host removes a guest');
  checkEqual(await closed, 'closed', 'media of who was removed');
  await until('Bob to know', () => bob.ended?.gone === 1);
  checkEqual((await connectMedia(server, bob.token)).status, 503, 'media again');
  checkEqual((await connectMedia(server, ann.token)).status, 101, 'media of the other');
});

test('media ends with the stay in the group, and the room with the last member', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const media = await connectMedia(server, ann.token);
  checkEqual((await server.metrics()).conclave_rooms, 1, 'rooms');
  const closed = new Promise((resolve) => media.socket.once('close', () => resolve('closed')));
  ann.tell({ op: 'leave' });
  checkEqual(await closed, 'closed', 'media after leaving');
  await until('the room to be gone', async () => {
    const metrics = await server.metrics();
    return metrics.conclave_rooms === 0 && metrics.conclave_meetings === 0;
  });
});

test('a name given to the server is neither taken nor passed on', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const { token } = await enter(t, server, meeting, 'Unmistakable');
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  check(!('name' in claims), `claims ${JSON.stringify(claims)}`);
  check(!claims.video.canPublishData && !claims.video.canUpdateOwnMetadata, 'rights to say something in the clear');
  check(!server.output.includes('Unmistakable'), 'the name is in the log');
});
