// Proof 3: a malicious server. Whatever it does to the group is refused, or seen by the people.
import crypto from 'node:crypto';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { deriveLink, HYBRID, identityOf, inventMeeting, meetingHash, sign } from '../lib/link.mjs';
import { enter, Member } from '../lib/member.mjs';
import { add, remove, rogueRelay, rogueService } from '../lib/rogue.mjs';
import { readMls, uint, vector } from '../lib/wire.mjs';
import { library } from '../e2ee/library.mjs';
import { evidence } from './evidence.mjs';

const X25519 = 1;
const ALARM = {
  suite: 'the server named another suite', group: 'the group is not this meeting', sender: "the group's external sender was changed",
  add: 'somebody was to be added without proof', remove: 'somebody was to be removed by one who may not', commit: 'a commit was invalid',
  order: 'messages came out of order', from: 'the server named another sender', content: 'a sealed message was malformed',
  tree: 'the ratchet tree that the server gave', withheld: 'a departure is not carried out', fork: 'the server leads to a group that does not continue',
  withdrawn: 'the server takes back',
};

const alarms = (member, kind) => member.of('alarm').filter((alarm) => alarm.alarm.startsWith(ALARM[kind]));
const names = async (member) => (await member.people()).people.map((p) => p.name).sort().join();
const identities = async (member) => (await member.people()).people.map((p) => p.identity).sort().join();
const codeOf = async (member) => (await member.code()).digits;
const epochOf = async (member) => (await member.code()).epoch;
const heard = (member, text) => member.of('chat').filter((chat) => chat.text === text).length;

function record(t, what, members) {
  const kept = evidence('3-malicious-server');
  t.defer((failure) => {
    kept.add('attacks.txt', `${what}: ${failure ? `FAILED ${failure.message}` : 'refused or shown'}`);
    for (const member of members) for (const alarm of member.of('alarm')) kept.add('attacks.txt', `    alarm at ${member.name}: ${alarm.alarm} (${alarm.status}) ${alarm.identity}`);
  });
}

async function alarmed(member, kind, before = 0) {
  await until(`${member.name} to be alarmed ("${kind}"; has ${JSON.stringify(member.of('alarm').map((a) => `${a.alarm}: ${a.status}`))})`, () => alarms(member, kind).length > before);
}

async function agreed(members) {
  await until('one code', async () => {
    const codes = await Promise.all(members.map(codeOf));
    return codes[0] !== '' && codes.every((code) => code === codes[0]);
  });
}

/** People who came through the relay, one after the other, and know each other's names. */
async function meet(t, what, people) {
  const server = await startServer(t);
  const rogue = await rogueRelay(t, server);
  const meeting = await server.newMeeting();
  const members = [];
  record(t, what, members);
  for (const name of people) members.push(await enter(t, rogue, meeting, name, { host: members.length === 0 }));
  await agreed(members);
  for (const member of members) await until('names', async () => (await names(member)) === [...people].sort().join());
  for (const member of members) checkEqual(member.of('alarm'), [], `alarms of ${member.name} before anything is done`);
  return { server, rogue, meeting, members };
}

/** Shifts the numbers that one client gets, from now on, by what was slipped in. */
function renumber(rogue, identity) {
  const shift = { by: 0, last: 0 };
  rogue.toClient = (to, message) => {
    if (to !== identity || message.seq === undefined || message.type === 'state') return undefined;
    shift.last = message.seq + shift.by;
    return [{ ...message, seq: shift.last }];
  };
  shift.last = Math.max(0, ...rogue.log.filter((one) => one.identity === identity).map((one) => one.message.seq ?? 0));
  shift.slip = (message) => {
    shift.by++;
    rogue.send(identity, { ...message, seq: ++shift.last });
  };
  return shift;
}

/** Of commit_now: one package, of somebody in turn. */
const packages = (one) => Buffer.concat([uint(0, 4), vector(one)]);

/** The key package that somebody with this link asks to be let in with. */
async function keyPackage(t, meeting, seat) {
  const service = await rogueService(t, meeting.suite);
  const member = new Member(service, meeting, 'Somebody', { seat });
  t.defer(() => member.stop());
  member.start();
  const [hello] = await until('the key package', () => service.heardOf(member.identity, 'hello').length > 0 && service.heardOf(member.identity, 'hello'));
  return hello.key_package;
}

test('3 who does not have the link gets in nowhere, and nobody is disturbed', async (t) => {
  const { rogue, meeting, members: [ann, bob] } = await meet(t, 'somebody without the link asks the true server to be let in', ['Ann', 'Bob']);
  const ghost = new Member(rogue, { ...meeting, secret: crypto.randomBytes(32) }, 'Ghost', {});
  t.defer(() => ghost.stop());
  ghost.start();
  await until('the ghost to be sent away', () => ghost.ended);
  checkEqual([await names(ann), await names(bob), ann.of('alarm'), bob.of('alarm')], ['Ann,Bob', 'Ann,Bob', [], []], 'people and alarms');
  const guest = await enter(t, rogue, meeting, 'Cem');
  await agreed([ann, bob, guest]);
  await until('who has the link to be in', async () => (await names(ann)) === 'Ann,Bob,Cem');
});

const utf8 = (text) => Buffer.from(text);

/**
 * Somebody's external commit, made by hand: which link's secret is behind the signature in the leaf and the PSK is free, and so are whose
 * seat the signature is for and what identity stands there.
 */
async function stranger(meeting, { link, psk, signsFor, identity }, info, tree) {
  const { e2ee, module } = await library();
  const key = e2ee.generateSignatureKey(module, meeting.suite);
  const seat = Buffer.from(key.publicKey);
  const statement = Buffer.concat([meetingHash(meeting.id), uint(0, 4), vector(signsFor ?? seat)]);
  const signature = sign(deriveLink(link).seed, Buffer.concat([vector(utf8('Conclave 2 Leaf')), vector(statement)]));
  const client = Buffer.concat([
    Buffer.from([2, 3]), vector(utf8('stranger')), vector(Buffer.alloc(0)), uint(0, 4), signature, vector(Buffer.alloc(0)), vector(Buffer.alloc(0)),
  ]);
  const extension = Buffer.concat([Buffer.from([0xf0, 0xc1]), vector(client)]);
  const name = identity ?? identityOf(meeting.id, seat);
  const one = new e2ee.Client(module);
  const pskId = Buffer.concat([utf8('conclave link v2'), uint(0, 4)]);
  if (psk) one.addPsk(pskId, deriveLink(psk).psk);
  const who = new e2ee.Identity(module, meeting.suite, utf8(name), key.privateKey, extension, [0xf0c0, 0xf0c1]);
  return { name, commit: Buffer.from(one.joinExternal(who, info, { tree, psk: psk ? pskId : undefined }).commit) };
}

test('3 a ghost whose commit the server hands to the members is refused and shown, whatever it lacks', async (t) => {
  const { rogue, meeting, ann, info, tree, number } = await founded(t, 'ghosts come by external commits');
  const { secret } = meeting;
  const other = crypto.randomBytes(32);
  const ghosts = [
    ['another link', { link: other, psk: other }, 'commit'],
    ['the signature right, another PSK', { link: secret, psk: other }, 'commit'],
    ['the signature right, no PSK', { link: secret }, 'add'],
    ['the PSK right, another signature', { link: other, psk: secret }, 'add'],
    ['the PSK right, the signature for another seat', { link: secret, psk: secret, signsFor: crypto.randomBytes(32) }, 'add'],
    ['everything right, but the identity of somebody who is there', { link: secret, psk: secret, identity: ann.identity }, null],
    ['everything right, but an identity of its own choice', { link: secret, psk: secret, identity: 'Ghost' }, null],
  ];
  for (const [what, ghost, kind] of ghosts) {
    const before = ann.of('alarm').length;
    const { commit } = await stranger(meeting, ghost, info, tree);
    rogue.send(ann.identity, { type: 'handshake', seq: number(), message: commit });
    await until(`Ann to be alarmed by: ${what}`, () => ann.of('alarm').length > before);
    if (kind) check(ann.of('alarm').at(-1).alarm.startsWith(ALARM[kind]), `${what}: ${ann.of('alarm').at(-1).alarm}`);
    checkEqual([await identities(ann), await epochOf(ann)], [ann.identity, 0], `people and epoch after: ${what}`);
  }
  const guest = await stranger(meeting, { link: secret, psk: secret }, info, tree);
  rogue.send(ann.identity, { type: 'handshake', seq: number(), message: guest.commit });
  rogue.send(ann.identity, { type: 'ready', seq: number(), epoch: 1 });
  await until('who has the link to be in', async () => (await identities(ann)) === [ann.identity, guest.name].sort().join());
  checkEqual(ann.of('alarm').length, ghosts.length, 'alarms');
});

test('3 a key package that the server swapped is not added, and shown', async (t) => {
  const { rogue, meeting, members: [ann] } = await meet(t, 'a key package is swapped on the way to a committer', ['Ann', 'Bob']);
  const seat = crypto.randomBytes(32);
  const good = await keyPackage(t, meeting, seat);
  const ghosts = await keyPackage(t, { ...meeting, secret: crypto.randomBytes(32) }, seat);
  const mixed = Buffer.from(good);
  mixed[mixed.length - 5] ^= 1;
  let committed = 0;
  rogue.toServer = (from, message) => (message.type === 'commit' ? (committed++, []) : undefined);
  const epoch = await epochOf(ann);
  let count = 0;
  for (const wrong of [ghosts, mixed]) {
    rogue.send(ann.identity, { type: 'commit_now', epoch, packages: packages(wrong) });
    await alarmed(ann, 'add', count++);
  }
  checkEqual(committed, 0, 'commits with a wrong key package');
  rogue.send(ann.identity, { type: 'commit_now', epoch, packages: packages(good) });
  await until('the true key package to be committed', () => committed === 1);
  checkEqual(alarms(ann, 'add').length, 2, 'alarms: one for each wrong one, none for the true one');
});

test('3 a newcomer is not led into a group of others', async (t) => {
  const { rogue, info, tree } = await founded(t, 'strangers found a group');
  const meeting = inventMeeting({ suite: X25519 });
  const bob = new Member(rogue, meeting, 'Bob');
  record(t, 'a newcomer is led into a group of strangers', [bob]);
  t.defer(() => bob.stop());
  bob.start();
  await until('the hello', () => rogue.heardOf(bob.identity, 'hello').at(-1));
  rogue.send(bob.identity, { type: 'join_now', group_info: info, tree_hash: rogue.publish(tree), from_epoch: 0 });
  await until('Bob to refuse', () => bob.ended);
  check(alarms(bob, 'group').length > 0, `alarms: ${JSON.stringify(bob.of('alarm'))}`);
  checkEqual([bob.of('keys'), rogue.heardOf(bob.identity, 'commit')], [[], []], 'keys that Bob would have used, commits');
});

test('3 suite, tree and GroupInfo that the server changed are refused and shown', async (t) => {
  const { rogue, meeting } = await meet(t, 'suite, tree, GroupInfo are changed', ['Ann']);
  const attempt = async (what, kind) => {
    const bob = new Member(rogue, meeting, 'Bob');
    record(t, `${what} is changed`, [bob]);
    t.defer(() => bob.stop());
    bob.start();
    await alarmed(bob, kind);
    checkEqual(bob.of('keys'), [], `keys in spite of a changed ${what}`);
    bob.stop();
    rogue.toClient = rogue.body = null;
  };
  check(meeting.suite === HYBRID, 'the suite of new meetings');
  rogue.toClient = (to, message) => (message.type === 'state' ? [{ ...message, suite: X25519 }] : undefined);
  await attempt('suite', 'suite');
  rogue.toClient = (to, message) => {
    if (message.type !== 'join_now') return undefined;
    const info = Buffer.from(message.group_info);
    info[info.length - 100] ^= 1;
    return [{ ...message, group_info: info }];
  };
  await attempt('GroupInfo', 'group');
  rogue.body = (url, bytes) => {
    if (!url.includes('/mls/tree/')) return undefined;
    const tree = Buffer.from(bytes);
    tree[100] ^= 1;
    return tree;
  };
  await attempt('tree', 'tree');
  const bob = await enter(t, rogue, meeting, 'Bob');
  checkEqual(bob.of('alarm'), [], 'alarms when nothing is changed');
});

test('3 replayed messages are not taken twice; under a new number they are shown', async (t) => {
  const { rogue, members: [ann, bob] } = await meet(t, 'messages and commits are replayed', ['Ann', 'Bob']);
  await ann.do('chat', { to: '', text: 'once' });
  await until('the chat', () => heard(bob, 'once') === 1);
  const [chat] = rogue.delivered(bob.identity, 'app_from').slice(-1);
  rogue.send(bob.identity, chat);
  const shift = renumber(rogue, bob.identity);
  shift.slip(chat);
  await alarmed(bob, 'content');
  const epoch = await epochOf(bob);
  const [commit] = rogue.delivered(ann.identity, 'handshake');
  shift.slip(commit);
  await ann.do('chat', { to: '', text: 'after' });
  await until('what comes after', () => heard(bob, 'after') === 1);
  checkEqual([heard(bob, 'once'), await epochOf(bob)], [1, epoch], 'times that it was shown; epoch');
  checkEqual(await codeOf(ann), await codeOf(bob), 'codes');
});

test('3 messages and commits in another order are shown, and lead to no other group', async (t) => {
  const { rogue, meeting, members: [ann, bob] } = await meet(t, 'messages and commits are reordered', ['Ann', 'Bob']);
  let held = null;
  rogue.toClient = (to, message) => {
    if (to !== bob.identity || message.type !== 'app_from') return undefined;
    if (!held) return (held = message), [];
    rogue.toClient = null;
    return [message, held];
  };
  await ann.do('chat', { to: '', text: 'first' });
  await ann.do('chat', { to: '', text: 'second' });
  await alarmed(bob, 'order');
  const before = alarms(bob, 'commit').length;
  // two commits change places, and bear each other's number
  let first = null;
  rogue.toClient = (to, message) => {
    if (to !== bob.identity || message.type !== 'handshake') return first && to === bob.identity && message.seq ? [] : undefined;
    if (!first) return (first = message), [];
    rogue.toClient = null;
    return [{ ...message, seq: first.seq }, { ...first, seq: message.seq }];
  };
  await enter(t, rogue, meeting, 'Cem');
  await enter(t, rogue, meeting, 'Dan');
  await alarmed(bob, 'commit', before);
  await agreed([ann, bob]);
  await until('Bob to see all', async () => (await bob.people()).people.length === 4);
});

test('3 a message under another name is refused and shown', async (t) => {
  const { rogue, members: [ann, bob, cem] } = await meet(t, 'a message is passed off as another person’s', ['Ann', 'Bob', 'Cem']);
  rogue.toClient = (to, message) => (to === bob.identity && message.type === 'app_from' ? [{ ...message, from: Buffer.from(cem.identity) }] : undefined);
  await ann.do('chat', { to: '', text: 'from Ann' });
  await alarmed(bob, 'from');
  await until('the others to read it', () => heard(cem, 'from Ann') === 1);
  checkEqual(heard(bob, 'from Ann'), 0, 'shown to Bob');
});

test('3 a Remove withheld from one: the next message shows it, nothing is read, and the codes differ', async (t) => {
  const { rogue, members: [ann, bob, cem] } = await meet(t, 'a Remove is withheld from one member', ['Ann', 'Bob', 'Cem']);
  let gap = 0;
  rogue.toClient = (to, message) => {
    if (to !== cem.identity || message.seq === undefined || message.type === 'state') return message.type === 'online' ? [] : undefined;
    if (message.type === 'handshake' || message.type === 'ready') return gap++, [];
    return [{ ...message, seq: message.seq - gap }];
  };
  checkEqual(await ann.do('remove', { identity: bob.identity }), 'OK', 'removing');
  await until('Ann to be without Bob', async () => (await names(ann)) === 'Ann,Cem');
  checkEqual(await names(cem), 'Ann,Bob,Cem', 'people as Cem was left to believe');
  await ann.do('chat', { to: '', text: 'without Bob' });
  await alarmed(cem, 'order');
  checkEqual([heard(cem, 'without Bob'), heard(bob, 'without Bob')], [0, 0], 'read by who did not go along, by who was removed');
  check((await codeOf(ann)) !== (await codeOf(cem)), 'the codes agree');
});

test('3 a departure that the server announces and never carries out is shown', { timeoutMs: 90_000 }, async (t) => {
  const { rogue, members: [ann, bob] } = await meet(t, 'a Remove is announced and its commit withheld', ['Ann', 'Bob']);
  let tried = 0;
  rogue.toServer = (from, message) => (message.type === 'commit' ? (tried++, []) : undefined);
  bob.tell({ op: 'leave' });
  await until('Ann to be alarmed', () => alarms(ann, 'withheld').length > 0, 30_000);
  check(tried > 0, 'Ann never tried to carry it out');
});

test('3 a meeting that the server splits: two halves, two codes, and nothing passes between them', { timeoutMs: 90_000 }, async (t) => {
  const { rogue, members: [ann, bob, cem] } = await meet(t, 'the meeting is split by accepting two commits', ['Ann', 'Bob', 'Cem']);
  const before = await epochOf(ann);
  // each of the two hears that its own commit is the one that was taken
  const taken = new Map();
  let last = 0;
  rogue.toClient = (to, message) => {
    if (message.type === 'commit_now' || message.type === 'stale') return [];
    if (message.type === 'handshake' && readMls(message.message).content === 2) return (last = message.seq), undefined;
    if (taken.size > 0 && (message.seq !== undefined || message.type === 'ready')) return [];
    return undefined;
  };
  rogue.toServer = (from, message) => {
    if (message.type !== 'commit') return undefined;
    if (from === ann.identity || from === bob.identity) {
      taken.set(from, message);
      rogue.send(from, { type: 'accepted', seq: last + 1, epoch: before + 1 });
      rogue.send(from, { type: 'ready', seq: last + 2, epoch: before + 1 });
    }
    return [];
  };
  cem.tell({ op: 'leave' });
  await until('both to have committed', () => taken.size === 2, 30_000);
  await until('both to be in their next epoch', async () => (await epochOf(ann)) === before + 1 && (await epochOf(bob)) === before + 1);
  const codes = [await codeOf(ann), await codeOf(bob)];
  evidence('3-malicious-server').add('codes.txt', { after: 'a fork in one epoch', codes });
  check(codes[0] !== codes[1], 'the codes agree');
  rogue.toServer = (from, message) => {
    if (message.type === 'app') rogue.send(bob.identity, { type: 'app_from', seq: last + 3, from: Buffer.from(ann.identity), message: message.message });
    return [];
  };
  await ann.do('chat', { to: '', text: 'to the other half' });
  await alarmed(bob, 'content');
  checkEqual(heard(bob, 'to the other half'), 0, 'read in the other half');
});

/** Ann in a group of a service that the test plays, at epoch 0. `number` gives what goes to everybody its number. */
async function founded(t, what, secret) {
  const rogue = await rogueService(t, X25519);
  const meeting = inventMeeting({ suite: X25519, secret });
  const ann = new Member(rogue, meeting, 'Ann', { host: true });
  record(t, what, [ann]);
  t.defer(() => ann.stop());
  const from = (who, type) => until(`${who.name}'s ${type}`, () => rogue.heardOf(who.identity, type).at(-1));
  let seq = 1;
  ann.start();
  await from(ann, 'hello');
  rogue.send(ann.identity, { type: 'create_now', external_sender: rogue.sender });
  const { group_info: info, tree } = await from(ann, 'create');
  rogue.send(ann.identity, { type: 'accepted', seq: 1, epoch: 0 });
  await ann.in();
  return { rogue, meeting, ann, info, tree, from, number: () => ++seq };
}

/** Ann and Bob in such a group, at epoch 1. */
async function played(t, what, secret) {
  const { rogue, meeting, ann, info, tree, from, number } = await founded(t, what, secret);
  const bob = new Member(rogue, meeting, 'Bob');
  record(t, what, [bob]);
  t.defer(() => bob.stop());
  bob.start();
  await from(bob, 'hello');
  rogue.send(bob.identity, { type: 'join_now', group_info: info, tree_hash: rogue.publish(tree), from_epoch: 0 });
  const { commit } = await from(bob, 'commit');
  const seq = number();
  const ready = { type: 'ready', seq: number(), epoch: 1 };
  rogue.send(bob.identity, { type: 'accepted', seq, epoch: 1 });
  rogue.send(ann.identity, { type: 'handshake', seq, message: commit });
  for (const who of [ann, bob]) rogue.send(who.identity, ready);
  await bob.in();
  await agreed([ann, bob]);
  checkEqual([...ann.of('alarm'), ...bob.of('alarm')], [], 'alarms');
  const toBoth = (message) => {
    const next = number();
    for (const who of [ann, bob]) rogue.send(who.identity, { type: 'handshake', seq: next, message });
  };
  return { rogue, meeting, members: [ann, bob], info, toBoth, number };
}

test('3 two groups behind one link, from the beginning, have different codes', async (t) => {
  const one = await played(t, 'one link, two groups from the beginning');
  const two = await played(t, 'one link, two groups from the beginning', one.meeting.secret);
  const codes = [await codeOf(one.members[0]), await codeOf(two.members[0])];
  evidence('3-malicious-server').add('codes.txt', { after: 'two groups from the beginning', codes });
  check(codes[0] !== codes[1], 'the codes of the halves agree');
});

const PROPOSAL = 2;
const COMMIT = 3;

test('3 the server, with its own key, can propose no Add, no change of the group and no commit', async (t) => {
  const { rogue, meeting, members: [ann, bob], info, toBoth } = await played(t, 'the server signs proposals with its own key');
  const insider = await keyPackage(t, meeting);
  const changed = Buffer.concat([Buffer.from([0, 7]), vector(Buffer.alloc(0))]);
  const emptyCommit = Buffer.concat([vector(Buffer.alloc(0)), Buffer.from([0])]);
  const attempts = [[PROPOSAL, add(insider)], [PROPOSAL, changed], [COMMIT, emptyCommit]];
  for (const [i, [kind, content]] of attempts.entries()) {
    toBoth(rogue.sign(info, 1, kind, content));
    for (const member of [ann, bob]) await until(`${member.name} to refuse number ${i}`, () => member.of('alarm').length > i);
  }
  const foreign = rogue.sign(info, 1, PROPOSAL, remove(1));
  foreign[foreign.length - 1] ^= 1;
  toBoth(foreign);
  for (const member of [ann, bob]) await until(`${member.name} to refuse a wrong signature`, () => member.of('alarm').length === attempts.length + 1);
  checkEqual([await identities(ann), await epochOf(ann), await epochOf(bob)], [[ann.identity, bob.identity].sort().join(), 1, 1], 'people and epochs');
});

test('3 the one thing that the server may propose, a Remove, is seen by all', async (t) => {
  const { rogue, members: [ann, bob], info, toBoth, number } = await played(t, 'the server proposes a Remove');
  toBoth(rogue.sign(info, 1, PROPOSAL, remove(1)));
  await until('Ann to commit it', () => rogue.heardOf(ann.identity, 'commit').length > 0);
  rogue.send(ann.identity, { type: 'accepted', seq: number(), epoch: 2 });
  rogue.send(ann.identity, { type: 'ready', seq: number(), epoch: 2 });
  await until('Bob to be gone for Ann', async () => (await identities(ann)) === ann.identity);
  check(ann.of('removed').some((line) => line.identity === bob.identity), 'Ann is told');
  checkEqual(ann.of('alarm'), [], 'alarms');
});

test('3 a commit of a host cannot be taken back, nor one that was applied; another can, and its author is named', async (t) => {
  const { rogue, meeting, members: [ann, bob], number } = await played(t, 'commits are withdrawn');
  const change = async (author, other) => {
    const epoch = await epochOf(author);
    const before = rogue.heardOf(author.identity, 'commit').length;
    rogue.send(author.identity, { type: 'commit_now', epoch, packages: packages(await keyPackage(t, meeting)) });
    await until('the commit', () => rogue.heardOf(author.identity, 'commit').length > before);
    const { commit } = rogue.heardOf(author.identity, 'commit').at(-1);
    const seq = number();
    rogue.send(author.identity, { type: 'accepted', seq, epoch: epoch + 1 });
    rogue.send(other.identity, { type: 'handshake', seq, message: commit });
    await until('the other to have staged it', () => rogue.heardOf(other.identity, 'ack').some((ack) => ack.epoch === epoch + 1));
    return epoch + 1;
  };
  const withdrawn = (epoch) => {
    const seq = number();
    for (const who of [ann, bob]) rogue.send(who.identity, { type: 'withdrawn', seq, epoch });
  };
  const guests = await change(bob, ann);
  withdrawn(guests);
  await until('Ann to read whose change it was', () => ann.of('withdrawn').some((one) => one.identity === bob.identity));
  checkEqual([await epochOf(ann), await epochOf(bob), ann.of('keys_drop').length], [guests - 1, guests - 1, 1], 'epochs, keys that went');
  const hosts = await change(ann, bob);
  withdrawn(hosts);
  await alarmed(bob, 'withdrawn');
  await until('both to go on in what the host did', async () => (await epochOf(ann)) === hosts && (await epochOf(bob)) === hosts);
  await agreed([ann, bob]);
});
