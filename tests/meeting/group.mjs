// The group: coming, talking, leaving, connections that break, servers that restart.
import WebSocket from 'ws';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { enter, joinMeeting, linkSecret } from '../lib/member.mjs';

const HYBRID = 0xf0a7;
const X25519 = 1;

async function sameCode(members) {
  await until('everybody to see the same code', async () => {
    const codes = await Promise.all(members.map(async (member) => (await member.code()).digits));
    return codes[0] !== '' && codes.every((digits) => digits === codes[0]);
  });
}

async function socketOf(server, token) {
  const socket = new WebSocket(`${server.wsUrl}/mls/v1?access_token=${token}`);
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_, reply) => reject(new Error(`refused: ${reply.statusCode}`)));
  });
  return { socket, closed };
}

for (const [word, suite] of [['hybrid', HYBRID], ['x25519', X25519]]) {
  test(`three people meet under the suite ${word}, and talk to all and to one`, async (t) => {
    const server = await startServer(t, { extraConfig: `meeting:\n  suite: ${word}\n` });
    const meeting = await server.newMeeting();
    checkEqual(meeting.suite, suite, 'suite of the new meeting');
    checkEqual((await (await fetch(`${server.url}/api/v1/meetings/${meeting.id}`)).json()).suite, suite, 'suite asked for');
    const secret = linkSecret();
    const ann = await enter(t, server, meeting, secret, 'Ann');
    const [bob, eve] = await Promise.all(['Bob', 'Eve'].map((name) => enter(t, server, meeting, secret, name)));
    await sameCode([ann, bob, eve]);
    await until('names to be known', async () => (await ann.people()).people.map((p) => p.name).sort().join() === 'Ann,Bob,Eve');
    checkEqual(await ann.do('chat', { to: '', text: 'hello all' }), 'OK', 'chat to all');
    checkEqual(await bob.do('chat', { to: ann.identity, text: 'only Ann' }), 'OK', 'chat to one');
    for (const member of [bob, eve]) {
      const [chat] = await until('the chat', () => member.of('chat').length > 0 && member.of('chat'));
      checkEqual([chat.text, chat.identity, chat.private], ['hello all', ann.identity, false], 'what came');
    }
    const [chat] = await until('the private chat', () => ann.of('chat').length > 0 && ann.of('chat'));
    checkEqual([chat.text, chat.identity, chat.private], ['only Ann', bob.identity, true], 'what came');
    check(eve.of('chat').length === 1, 'a private message reached somebody else');
    for (const member of [ann, bob, eve]) checkEqual(member.of('alarm'), [], `alarms of ${member.name}`);
    const metrics = await server.metrics();
    checkEqual(metrics.conclave_meetings, 1, 'meetings in the metrics');
    check(metrics.conclave_meeting_delivery_groups_total === 1, 'groups in the metrics');
  });
}

test('who has another link secret does not get in', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  await enter(t, server, meeting, linkSecret(), 'Ann');
  const failure = await enter(t, server, meeting, linkSecret(), 'Mallory').catch((error) => error);
  check(failure instanceof Error && failure.message.includes('ended'), `expected an end, got ${failure}`);
});

test('a cut socket is resumed, and nothing is missed', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const secret = linkSecret();
  const ann = await enter(t, server, meeting, secret, 'Ann');
  const bob = await enter(t, server, meeting, secret, 'Bob');
  bob.cut();
  await until('Bob to notice', () => bob.state === 'away');
  await ann.do('chat', { to: '', text: 'while you were away' });
  await bob.in();
  await until('the chat', () => bob.of('chat').some((chat) => chat.text === 'while you were away'));
  await sameCode([ann, bob]);
  const metrics = await server.metrics();
  checkEqual(metrics.conclave_meeting_delivery_removes_total, 0, 'removes');
  checkEqual(metrics.conclave_meeting_delivery_resyncs_total, 0, 'rejoins');
});

test('who crashes comes again with the same place, and the former self is gone', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const secret = linkSecret();
  const ann = await enter(t, server, meeting, secret, 'Ann');
  const place = await joinMeeting(server, meeting.id);
  const before = await enter(t, server, meeting, secret, 'Bob', place);
  await until('Ann to see two', async () => (await ann.people()).people.length === 2);
  before.crash();
  const bob = await enter(t, server, meeting, secret, 'Bob', place);
  await sameCode([ann, bob]);
  checkEqual((await ann.people()).people.map((p) => p.identity).sort(), [ann.identity, bob.identity].sort(), 'people');
});

test('who closes the page is out at once', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const secret = linkSecret();
  const ann = await enter(t, server, meeting, secret, 'Ann');
  const bob = await enter(t, server, meeting, secret, 'Bob');
  await until('Ann to see two', async () => (await ann.people()).people.length === 2);
  bob.stopped = true;
  bob.socket.close(1001);
  // the grace period of a lost connection is ten seconds, and PATIENCE doubles this
  await until('Bob to be out', async () => (await ann.people()).people.length === 1, 3000);
});

test('after a restart of the server everybody begins a new group under the same link', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const secret = linkSecret();
  const places = [await joinMeeting(server, meeting.id), await joinMeeting(server, meeting.id)];
  const [ann, bob] = [
    await enter(t, server, meeting, secret, 'Ann', places[0]),
    await enter(t, server, meeting, secret, 'Bob', places[1]),
  ];
  await server.stop();
  await server.start();
  for (const member of [ann, bob]) await until('to hear that the group is over', () => member.ended?.gone === 2);
  const again = await Promise.all(['Ann', 'Bob'].map((name, i) => enter(t, server, meeting, secret, name, places[i])));
  await sameCode(again);
});

test('a newer connection takes the place of an older, which is closed with 4001', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const { token } = await joinMeeting(server, meeting.id);
  const first = await socketOf(server, token);
  await socketOf(server, token);
  checkEqual(await first.closed, 4001, 'close code');
});

test('malformed messages close with 4002, too long ones with 4004', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const { token } = await joinMeeting(server, meeting.id);
  const bad = [Buffer.alloc(0), Buffer.from([77]), Buffer.from([4, 1]), Buffer.from([8, 0]), 'text', Buffer.from([129])];
  for (const message of bad) {
    const { socket, closed } = await socketOf(server, token);
    socket.send(message);
    checkEqual(await closed, 4002, `close code after ${JSON.stringify(message)}`);
  }
  const { socket, closed } = await socketOf(server, token);
  socket.send(Buffer.alloc((2 << 20) + 1));
  checkEqual(await closed, 4004, 'close code after 2 MiB and a byte');
  const app = await socketOf(server, token);
  app.socket.send(Buffer.concat([Buffer.from([6, 0x80, 1, 0, 1]), Buffer.alloc(65537)]));
  checkEqual(await app.closed, 4004, 'close code after a sealed message of 64 KiB and a byte');
  checkEqual((await server.metrics()).conclave_meeting_delivery_malformed_total, bad.length, 'counted');
});

test('who goes on sending too much is cut off, and may come again', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const secret = linkSecret();
  const ann = await enter(t, server, meeting, secret, 'Ann');
  const bob = await enter(t, server, meeting, secret, 'Bob');
  for (let i = 0; i < 300; i++) bob.tell({ op: 'chat', to: '', text: `${i}` });
  await until('some to be dropped', async () => (await server.metrics()).conclave_meeting_delivery_app_dropped_total > 0);
  checkEqual(bob.closes, [], 'closed for three hundred');
  for (let i = 0; i < 1500; i++) bob.tell({ op: 'chat', to: '', text: `${i}` });
  await until('the connection to be closed', () => bob.closes.length > 0);
  // what is under way when the server closes makes TCP reset the connection, which may overtake the close frame
  check([4004, 1006].includes(bob.closes[0]), `close code ${bob.closes[0]}`);
  checkEqual((await server.metrics()).conclave_meeting_delivery_too_much_total, 1, 'counted');
  await bob.in();
  checkEqual(ann.closes, [], 'the other');
});

test('the WebSocket is refused without a good token of a meeting', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const status = (token) => socketOf(server, token).then(() => 101, (error) => Number(error.message.split(' ')[1]));
  const { token } = await joinMeeting(server, meeting.id);
  const invented = `cm_${'A'.repeat(32)}`;
  checkEqual(await status(''), 401, 'no token');
  checkEqual(await status(`${token}x`), 401, 'a changed token');
  checkEqual(await status(await server.token('plain', 'x')), 403, 'a token of a room that is no meeting');
  checkEqual(await status(await server.token(invented, 'x')), 403, 'a meeting that this server did not make');
  checkEqual(await status(await server.token(`cm_${meeting.id}`, 'x', { roomJoin: false })), 401, 'no right to join');
  checkEqual(await status(await server.token(`cm_${meeting.id}`, 'x'.repeat(65))), 503, 'an identity that is too long');
});

test('tree and GroupInfo are for those with a token of this meeting, and carry tags', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const other = await joinMeeting(server, (await server.newMeeting()).id);
  const secret = linkSecret();
  const ann = await enter(t, server, meeting, secret, 'Ann');
  const bob = await enter(t, server, meeting, secret, 'Bob');
  const hash = bob.of('fetch')[0].text;
  for (const where of [hash.replace(/^\//, ''), 'mls/group_info']) {
    const url = `${server.url}/api/v1/meetings/${meeting.id}/${where}`;
    const get = (token, headers = {}) => fetch(url, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers } });
    const reply = await get(ann.token);
    checkEqual(reply.status, 200, where);
    check((await reply.arrayBuffer()).byteLength > 100, `${where} is too short`);
    const tag = reply.headers.get('etag');
    check(tag !== null, `${where} has no tag`);
    checkEqual((await get(ann.token, { 'if-none-match': tag })).status, 304, `${where} again`);
    checkEqual((await get('')).status, 401, `${where} without token`);
    checkEqual((await get(other.token)).status, 403, `${where} with the token of another meeting`);
  }
  const missing = await fetch(`${server.url}/api/v1/meetings/${meeting.id}/mls/tree/00ff`, { headers: { authorization: `Bearer ${ann.token}` } });
  checkEqual(missing.status, 404, 'an unknown tree');
});
