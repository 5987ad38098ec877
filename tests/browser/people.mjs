// Who is shown as being in a meeting: those of its group, whatever list the server gives.
import { ParticipantInfo, ParticipantUpdate, SignalResponse, TrackInfo, TrackSource } from '@livekit/protocol';
import { chromium, newPage } from '../lib/browsers.mjs';
import { Person } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { rogueRelay } from '../lib/rogue.mjs';
import { startServer } from '../lib/server.mjs';

const rows = (person) => person.page.$$eval('[data-testid="people-row"]', (all) => all.map((row) => row.textContent));
const count = (person) => person.page.$eval('[data-testid="open-people"]', (button) => button.textContent.trim());
const words = (person) => person.page.evaluate(() => document.body.innerText);

/** Keeps what notes said, since they go again. */
function recordNotes() {
  window.notes = [];
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => {
      for (const note of document.querySelectorAll('.toast')) if (!window.notes.includes(note.textContent)) window.notes.push(note.textContent);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
}
const noted = (person, pattern) => person.page.evaluate((source) => window.notes.some((text) => new RegExp(source).test(text)), pattern.source);

/** Ann at a server that tells her of the room what `change` makes of it. */
async function atRogue(t, change) {
  const server = await startServer(t);
  const rogue = await rogueRelay(t, server);
  rogue.raw = (identity, bytes) => {
    const response = SignalResponse.fromBinary(bytes);
    return change(response.message) ? Buffer.from(response.toBinary()) : bytes;
  };
  const meeting = await server.newMeeting();
  const ann = new Person(await newPage(await chromium(t)), 'Ann');
  await ann.page.evaluateOnNewDocument(recordNotes);
  await ann.page.goto(rogue.pageUrl + meeting.path, { waitUntil: 'domcontentloaded' });
  await ann.join();
  ann.identity = [...rogue.media.keys()][0];
  return { server, rogue, meeting, ann };
}

test('people shown, counted and told of are those of the group, though the server lists nobody', { timeoutMs: 150_000 }, async (t) => {
  const { server, meeting, ann } = await atRogue(t, (message) => {
    if (message.case === 'join') message.value.otherParticipants = [];
    else if (message.case === 'update') message.value.participants = message.value.participants.filter(() => false);
    else return false;
    return true;
  });
  const bob = new Person(await newPage(await chromium(t, { look: 'blue' }), server.pageUrl + meeting.path), 'Bob');
  await bob.join();
  const cem = await enter(t, server, meeting, 'Cem');
  await ann.page.bringToFront();
  await ann.click('open-people');
  await until('three tiles, rows and a count of three', async () => {
    const [tiles, list] = [await ann.tiles(), await rows(ann)];
    return ['Ann', 'Bob', 'Cem'].every((name) => tiles.some((tile) => tile.text.includes(name)) && list.some((row) => row.includes(name)))
      && tiles.length === 3 && list.length === 3 && (await count(ann)) === '3';
  });
  await until('both to be told of', async () => (await noted(ann, /Bob joined/)) && noted(ann, /Cem joined/));
  checkEqual((await ann.tileOf('Cem')).muted, 'false', 'a sign that Cem, who has no media, muted a microphone');
  cem.tell({ op: 'leave' });
  await until('Cem to be gone from all', async () => (await ann.tiles()).length === 2 && (await rows(ann)).length === 2 && (await count(ann)) === '2');
  await until('it to be told', () => noted(ann, /Cem left/));
});

test('somebody with media who is not in the group is an alarm, and no person of the meeting', { timeoutMs: 120_000 }, async (t) => {
  const { rogue, ann } = await atRogue(t, () => false);
  const ghost = new ParticipantInfo({
    sid: 'PA_ghost', identity: 'ghost', name: 'A friend', version: 1, state: 2,
    tracks: [new TrackInfo({ sid: 'TR_ghost', type: 0, source: TrackSource.MICROPHONE })],
  });
  const message = { case: 'update', value: new ParticipantUpdate({ participants: [ghost] }) };
  rogue.media.get(ann.identity).send(new SignalResponse({ message }).toBinary());
  await until('the alarm', () => ann.page.$('[data-testid="security-banner"][data-standing="outsider"]'), 30_000);
  check(await noted(ann, /somebody who is not in this meeting/), 'a note says so');
  await ann.click('open-people');
  checkEqual([(await ann.tiles()).length, (await rows(ann)).length, await count(ann)], [1, 1, '1'], 'tiles, rows, count');
  check(!(await words(ann)).includes('A friend'), 'its name is nowhere');
  await ann.click('open-security');
  await ann.shows('security-outsiders');
});

test('a name of which nothing can be seen is shown as a placeholder', { timeoutMs: 90_000 }, async (t) => {
  const { server, meeting, ann } = await atRogue(t, () => false);
  await enter(t, server, meeting, '\u3164\u2800\u200d');
  const tile = await until('two tiles', async () => (await ann.tiles()).find((one) => one.identity !== ann.identity && one.text.includes('Guest')));
  check(tile, 'a placeholder');
  await ann.click('open-security');
  await until('it to be in the panel too', () => ann.page.$$eval('[data-testid="security-person"] strong', (all) => all.some((one) => one.textContent === 'Guest')));
});
