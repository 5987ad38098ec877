// The group: coming, talking, leaving, connections that break, servers that restart.
import crypto from 'node:crypto';
import net from 'node:net';
import WebSocket from 'ws';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { idHash, deriveLink, fragmentOf, identityOf, meetingHash, publicOf, sign } from '../lib/link.mjs';
import { rogueRelay } from '../lib/rogue.mjs';
import { startServer } from '../lib/server.mjs';
import { readWire, uint, vector, writeWire } from '../lib/wire.mjs';
import { enter, Member } from '../lib/member.mjs';

const NO_ENTRY = 32; // member.h
const HYBRID = 0xf0a7;
const X25519 = 1;

async function sameCode(members) {
  await until('everybody to see the same code', async () => {
    const codes = await Promise.all(members.map(async (member) => (await member.code()).digits));
    return codes[0] !== '' && codes.every((digits) => digits === codes[0]);
  });
}

/** A bare connection to a meeting, before any hello: `messages` has what came, `closed` resolves with the close code. */
async function socketOf(server, id) {
  const socket = new WebSocket(`${server.wsUrl}/mls/v2/${id}`);
  const messages = [];
  socket.on('error', () => {});
  socket.on('message', (bytes) => messages.push(readWire(bytes)));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_, reply) => reject(new Error(`refused: ${reply.statusCode}`)));
  });
  await until('the challenge', () => messages.length > 0);
  return { socket, closed, messages };
}

/** What a member's own hello looked like, for others to send. */
async function helloOf(t, server, meeting, how) {
  const rogue = await rogueRelay(t, server);
  const member = await enter(t, rogue, meeting, 'Honest', how);
  return { member, hello: rogue.heardOf(member.identity, 'hello')[0], relay: rogue };
}

for (const [word, suite] of [['hybrid', HYBRID], ['x25519', X25519]]) {
  test(`three people meet under the suite ${word}, and talk to all and to one`, async (t) => {
    const server = await startServer(t, { extraConfig: `meeting:\n  suite: ${word}\n` });
    const meeting = await server.newMeeting();
    checkEqual(meeting.suite, suite, 'suite of the new meeting');
    const ann = await enter(t, server, meeting, 'Ann', { host: true });
    const [bob, eve] = await Promise.all(['Bob', 'Eve'].map((name) => enter(t, server, meeting, name)));
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
    check(metrics.conclave_meeting_service_groups_total === 1, 'groups in the metrics');
  });
}

test('who has another link secret does not get in', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  await enter(t, server, meeting, 'Ann', { host: true });
  const mallory = new Member(server, { ...meeting, secret: crypto.randomBytes(32) }, 'Mallory', {});
  t.defer(() => mallory.stop());
  mallory.start();
  await until('Mallory to be sent away', () => mallory.ended);
  checkEqual([mallory.ended.gone, mallory.closes], [NO_ENTRY, [4005]], 'what Mallory hears');
});

test('a cut socket is resumed, and nothing is missed', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  bob.cut();
  await until('Bob to notice', () => bob.state === 'away');
  await ann.do('chat', { to: '', text: 'while you were away' });
  await bob.in();
  await until('the chat', () => bob.of('chat').some((chat) => chat.text === 'while you were away'));
  await sameCode([ann, bob]);
  const metrics = await server.metrics();
  checkEqual(metrics.conclave_meeting_service_removes_total, 0, 'removes');
  checkEqual(metrics.conclave_meeting_service_resyncs_total, 0, 'rejoins');
});

test('who crashes comes again with the same place, and the former self is gone', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const seat = crypto.randomBytes(32);
  const before = await enter(t, server, meeting, 'Bob', { seat });
  await until('Ann to see two', async () => (await ann.people()).people.length === 2);
  before.crash();
  const bob = await enter(t, server, meeting, 'Bob', { seat });
  await sameCode([ann, bob]);
  checkEqual((await ann.people()).people.map((p) => p.identity).sort(), [ann.identity, bob.identity].sort(), 'people');
});

test('who closes the page is out at once', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  await until('Ann to see two', async () => (await ann.people()).people.length === 2);
  bob.stopped = true;
  bob.socket.close(1001);
  // the grace period of a lost connection is ten seconds, and PATIENCE doubles this
  await until('Bob to be out', async () => (await ann.people()).people.length === 1, 3000);
});

for (const [name, signal] of [
  ['a server that is stopped and started again ends no meeting', 'SIGTERM'],
  ['a server that is killed and started again ends no meeting', 'SIGKILL'],
]) {
  test(name, async (t) => {
    const server = await startServer(t, { mayEnd: signal === 'SIGKILL' });
    const meeting = await server.newMeeting();
    const ann = await enter(t, server, meeting, 'Ann', { host: true });
    const [bob, eve] = [await enter(t, server, meeting, 'Bob'), await enter(t, server, meeting, 'Eve')];
    await sameCode([ann, bob, eve]);
    const { digits } = await ann.code();
    await server.stop(signal);
    await server.start();
    for (const member of [ann, bob, eve]) await until('to be back', () => member.state === 'in', 20_000);
    checkEqual((await ann.code()).digits, digits, 'the same group as before');
    checkEqual(await bob.do('chat', { to: '', text: 'as before' }), 'OK', 'chat');
    for (const member of [ann, eve]) await until('the chat', () => member.of('chat').some((chat) => chat.text === 'as before'));
    const dan = await enter(t, server, meeting, 'Dan');
    await sameCode([ann, bob, eve, dan]);
    checkEqual(await ann.do('remove', { identity: eve.identity }), 'OK', 'the host is host still');
    await until('Eve to be out', () => eve.ended?.gone === 1);
    for (const member of [ann, bob, eve, dan]) {
      checkEqual(member.of('alarm'), [], `alarms of ${member.name}`);
      if (member !== eve) checkEqual(member.ended, null, `the end of ${member.name}`);
    }
  });
}

test('a newer connection of a seat takes the place of an older, which is closed with 4001', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const first = await enter(t, server, meeting, 'Ann');
  const second = await enter(t, server, meeting, 'Ann', { seat: first.seat });
  await until('the first to be closed', () => first.closes.length > 0);
  checkEqual(first.closes, [4001], 'close code');
  checkEqual((await second.people()).people.length, 1, 'people');
});

test('malformed messages close with 4002, too long ones with 4004', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const bad = [Buffer.alloc(0), Buffer.from([77]), Buffer.from([4, 1]), Buffer.from([8]), 'text', Buffer.from([129])];
  for (const message of bad) {
    const { socket, closed } = await socketOf(server, meeting.id);
    socket.send(message);
    checkEqual(await closed, 4002, `close code after ${JSON.stringify(message)}`);
  }
  const { socket, closed } = await socketOf(server, meeting.id);
  socket.send(Buffer.alloc((2 << 20) + 1));
  checkEqual(await closed, 4004, 'close code after 2 MiB and a byte');
  const ann = await enter(t, server, meeting, 'Ann');
  ann.socket.send(Buffer.from([4, 1]));
  await until('a member to be closed', () => ann.closes.length > 0);
  checkEqual(ann.closes, [4002], 'close code of a member');
  checkEqual((await server.metrics()).conclave_meeting_service_malformed_total, bad.length + 1, 'counted');
});

test('who goes on sending too much is cut off, and may come again', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  for (let i = 0; i < 300; i++) bob.tell({ op: 'chat', to: '', text: `${i}` });
  await until('some to be dropped', async () => (await server.metrics()).conclave_meeting_service_sealed_dropped_total > 0);
  checkEqual(bob.closes, [], 'closed for three hundred');
  for (let i = 0; i < 1500; i++) bob.tell({ op: 'chat', to: '', text: `${i}` });
  await until('the connection to be closed', () => bob.closes.length > 0);
  // what is under way when the server closes makes TCP reset the connection, which may overtake the close frame
  check([4004, 1006].includes(bob.closes[0]), `close code ${bob.closes[0]}`);
  checkEqual((await server.metrics()).conclave_meeting_service_too_much_total, 1, 'counted');
  await bob.in();
  checkEqual(ann.closes, [], 'the other');
});

test('who has the id and not the link gets the answer of unknown ids, whatever it proves', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const { hello } = await helloOf(t, server, meeting, { host: true });
  const invented = Buffer.concat([Buffer.from(meeting.id, 'base64url').subarray(0, 16), crypto.randomBytes(8)]).toString('base64url');
  const answerTo = async (id, change) => {
    const seat = crypto.randomBytes(32);
    const { socket, closed, messages } = await socketOf(server, id);
    const said = { ...hello, seat_key: publicOf(seat), ...change };
    const packageHash = crypto.createHash('sha256').update(said.key_package).digest();
    const content = Buffer.concat([
      meetingHash(id), vector(said.seat_key), uint(said.how, 1), messages[0].nonce, said.nonce, packageHash,
    ]);
    said.leaf_signature = sign(seat, Buffer.concat([vector(Buffer.from('Conclave 2 Hello')), vector(content)]));
    socket.send(writeWire(said));
    return [await closed, messages.slice(1)];
  };
  const unknown = await answerTo(invented, {});
  checkEqual(unknown, [4005, []], 'an id that nobody made');
  for (const change of [{}, { link_signature: Buffer.alloc(64) }, { how: 2, key_package: Buffer.alloc(0) }, { how: 3 }, { link_key: crypto.randomBytes(32) }, { generation: 1 }, { suite: 1 }])
    checkEqual(await answerTo(meeting.id, change), unknown, JSON.stringify(Object.keys(change)));
  checkEqual(await answerTo('short', {}), unknown, 'an id of another length');
  checkEqual((await server.metrics()).conclave_meetings, 1, 'meetings');
});

test('a replayed hello is refused, and so is one on another connection', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const { member, hello } = await helloOf(t, server, meeting, { host: true });
  const { socket, closed } = await socketOf(server, meeting.id);
  socket.send(writeWire(hello));
  checkEqual(await closed, 4005, 'close code');
  checkEqual([member.closes, member.state], [[], 'in'], 'whose hello it was');
});

test('squatting an id without its link gets nowhere, and an added j opens nothing', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting({ kind: 1 });
  // who has the link of a meeting that only its owner begins
  for (const squatter of [{ ...meeting, kind: 129 }, { ...meeting, owner: publicOf(crypto.randomBytes(32)) }, { ...meeting, secret: crypto.randomBytes(32) }]) {
    const mallory = new Member(server, squatter, 'Mallory', {});
    t.defer(() => mallory.stop());
    mallory.start();
    await until('Mallory to be sent away', () => mallory.ended);
    checkEqual(mallory.ended.gone, NO_ENTRY, 'what Mallory hears');
  }
  const guest = new Member(server, meeting, 'Guest', {});
  t.defer(() => guest.stop());
  guest.start();
  await until('the guest to wait', () => guest.state === 'waiting' && guest.token);
  checkEqual((await server.metrics()).conclave_meetings, 0, 'meetings that a guest began');
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  await guest.in();
  await sameCode([ann, guest]);
});

test('a server with another operator key, or an id of another meeting, begins nothing with a member', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const operator = crypto.randomBytes(32);
  const { linkKey } = deriveLink(meeting.secret);
  const id = Buffer.concat([idHash({ ...meeting, linkKey, operator }), crypto.randomBytes(8)]).toString('base64url');
  check(fragmentOf({ ...meeting, operator }) !== fragmentOf(meeting), 'the link names the operator');
  const ann = new Member(server, { ...meeting, id }, 'Ann', { host: true });
  t.defer(() => ann.stop());
  ann.start();
  await until('Ann to be sent away', () => ann.ended);
  checkEqual(ann.ended.gone, NO_ENTRY, 'what Ann hears');
  check(identityOf(id, publicOf(ann.seat)) !== identityOf(meeting.id, publicOf(ann.seat)), 'one seat, two meetings, two identities');
});

test('a clock that is wrong by years puts nobody out and alarms nobody; the person is told', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const late = await enter(t, server, meeting, 'Late', { clockOff: -3 * 365 * 86400 });
  const early = await enter(t, server, meeting, 'Early', { clockOff: 3 * 365 * 86400 });
  await sameCode([ann, late, early]);
  for (const [member, sign] of [[late, -1], [early, 1]]) {
    const [told] = await until('to be told', () => member.of('clock').length > 0 && member.of('clock'));
    check(Math.abs(told.off_s - sign * 3 * 365 * 86400) < 600, `told of ${told.off_s} s`);
  }
  checkEqual(ann.of('clock'), [], 'whose clock is right');
  for (const member of [ann, late, early]) checkEqual(member.of('alarm'), [], `alarms of ${member.name}`);
});

test('that codes differ is told to the others, by whom, and that it is resolved', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  await sameCode([ann, bob]);
  for (const differs of [true, false]) {
    checkEqual(await bob.do('compared', { differs }), 'OK', 'telling');
    await until('Ann to hear it', () => ann.of('disputed').some((one) => one.flag === differs && one.identity === bob.identity));
  }
  checkEqual(bob.of('disputed'), [], 'who said it');
});

test('tree and chain are for members and for nobody else, whose answer does not tell why', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const elsewhere = await enter(t, server, await server.newMeeting(), 'Other');
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  const tree = bob.of('fetch')[0].text;
  const get = (where, token, headers = {}, id = meeting.id) =>
    fetch(`${server.url}/api/v2/meetings/${id}/${where}`, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers } });
  const refusals = [];
  for (const where of [tree, 'mls/chain/0']) {
    const reply = await get(where, ann.token);
    checkEqual(reply.status, 200, where);
    check((await reply.arrayBuffer()).byteLength > 100, `${where} is too short`);
    const strangers = ['', `${ann.token}x`, elsewhere.token, await server.token(`cm_${meeting.id}`, 'stock'), await server.token('plain', ann.identity)];
    for (const token of strangers) refusals.push(await get(where, token));
  }
  refusals.push(await get('mls/tree/00ff', ann.token), await get('mls/chain/99', ann.token), await get('mls/group_info', ann.token));
  refusals.push(await get(tree, ann.token, {}, Buffer.alloc(24).toString('base64url')));
  const texts = await Promise.all(refusals.map(async (reply) => [reply.status, await reply.text(), [...reply.headers.keys()].filter((name) => name !== 'date').join()].join('|')));
  checkEqual([...new Set(texts)].length, 1, `one answer: ${[...new Set(texts)].join(' / ')}`);
  checkEqual(refusals[0].status, 404, 'its status');
  const tag = (await get(tree, ann.token)).headers.get('etag');
  checkEqual((await get(tree, ann.token, { 'if-none-match': tag })).status, 304, 'the tree again');
});

test('who may not read or write gets the same bytes, whatever the reason, and after the meeting', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const elsewhere = await enter(t, server, await server.newMeeting(), 'Other');
  const raw = (method, id, where, token) =>
    new Promise((resolve) => {
      const socket = net.connect(server.ports.http, '127.0.0.1');
      const parts = [];
      socket.on('data', (part) => parts.push(part)).on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
      const body = method === 'POST' ? 'Content-Length: 4\r\n\r\nfile' : '\r\n';
      socket.write(`${method} /api/v2/meetings/${id}/${where} HTTP/1.1\r\nHost: x\r\n${token ? `Authorization: Bearer ${token}\r\n` : ''}Connection: close\r\n${body}`);
    });
  const tree = (await enter(t, server, meeting, 'Bob').then((bob) => bob.of('fetch')))[0].text;
  const unknown = crypto.randomBytes(24).toString('base64url');
  const asked = [['GET', tree], ['GET', 'mls/chain/0'], ['GET', 'mls/anything'], ['POST', 'files'], ['GET', `files/${'a'.repeat(22)}`], ['DELETE', `files/${'a'.repeat(22)}`]];
  const answers = new Set();
  const ask = async (id, tokens) => {
    for (const [method, where] of asked) for (const token of tokens) answers.add(await raw(method, id, where, token));
  };
  check((await raw('GET', meeting.id, 'mls/chain/0', ann.token)).startsWith('HTTP/1.1 200'), 'who may read does');
  await ask(meeting.id, ['', 'x', `${ann.token}x`, elsewhere.token]);
  await ask(unknown, ['', ann.token]);
  elsewhere.stop();
  await until('the other meeting to be over', async () => (await server.metrics()).conclave_meetings === 1, 30_000);
  await ask(elsewhere.meeting.id, ['', ann.token, elsewhere.token]);
  checkEqual([...answers].length, 1, [...answers].join('\n----\n'));
  check([...answers][0].startsWith('HTTP/1.1 404') && [...answers][0].includes('"no_entry"'), [...answers][0]);
});

test('who asks for the chain again and again is told to wait, and the others come in', async (t) => {
  const server = await startServer(t, { extraConfig: 'limit:\n  joins_per_minute: 30\n' });
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const ask = () => fetch(`${server.url}/api/v2/meetings/${meeting.id}/mls/chain/0`, { headers: { authorization: `Bearer ${ann.token}` } });
  const statuses = [];
  for (let i = 0; i < 40; i++) statuses.push((await ask()).status);
  check(statuses[0] === 200 && statuses.filter((status) => status === 200).length < 32 && statuses.at(-1) === 429, statuses.join());
  check(Number((await ask()).headers.get('retry-after')) > 0, 'for how long');
  const bob = await enter(t, server, meeting, 'Bob'); // a connection is tried again when its time has come
  await sameCode([ann, bob]);
});
