// What people are told of how safe their meeting is: no more than is known, and no less.
import { chromium, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

async function meet(t, names = ['Ann']) {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const browser = await chromium(t);
  const people = [];
  for (const name of names) people.push(await arrive(await browser.createBrowserContext(), server.pageUrl + meeting.path, name, { camera: false }));
  const come = (name) => enter(t, server, meeting, name);
  return { server, meeting, browser, people, come };
}

const inBar = (person) => person.page.$eval('[data-testid="open-security"]', (button) => ({
  standing: button.dataset.standing, name: button.getAttribute('aria-label'), look: button.className, icon: button.querySelector('path').getAttribute('d'),
}));
const standing = (person, wanted) => until(`${person.name} to read "${wanted}"`, async () => (await inBar(person)).standing === wanted);
const open = async (person) => {
  await person.page.bringToFront();
  if (!(await person.page.$('[data-testid="panel-security"]'))) await person.click('open-security');
  await person.shows('panel-security');
};
const members = (person, n) => until(`${n} members`, () => person.page.$$eval('[data-testid="security-person"]', (all, count) => all.length === count, n));
const verified = (person) => person.page.$$eval('[data-testid="security-person"][data-verified="true"] strong', (all) => all.map((one) => one.textContent));

test('codes that differ are shown until they were compared again, whatever panel is open', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann], come } = await meet(t);
  await come('Bob');
  await open(ann);
  await members(ann, 2);
  await ann.click('compare-all');
  await ann.click('code-differs');
  await standing(ann, 'differ');
  check(/Codes differ/.test((await inBar(ann)).name), 'in words');
  check(/leave/i.test(await ann.text('security-standing')), 'what to do');
  await ann.click('open-chat');
  await ann.shows('security-banner');
  await open(ann);
  checkEqual(await ann.page.$eval('[data-testid="security-standing"]', (line) => line.dataset.standing), 'differ', 'when the panel is opened again');
  await ann.click('compare-all');
  await ann.click('code-matches');
  await standing(ann, 'verified');
  await ann.click('compare-pair');
  await ann.click('code-differs');
  await standing(ann, 'differ');
  await until('Bob to count as verified no longer', async () => (await verified(ann)).join() === 'Ann');
});

test('the others are told that somebody says that codes differ, who it is, and when it is resolved', { timeoutMs: 150_000 }, async (t) => {
  const { server, meeting, browser, people: [ann, bob] } = await meet(t, ['Ann', 'Bob']);
  await open(bob);
  await members(bob, 2);
  await bob.click('compare-all');
  await bob.click('code-differs');
  await standing(bob, 'differ');
  await open(ann);
  await standing(ann, 'disputed');
  check(/tone-warn/.test((await inBar(ann)).look), 'the colour');
  await until('who says so', async () => /Bob compared codes/.test(await ann.text('security-standing')));
  check(/says that codes differ/.test(await ann.text('panel-security')), 'at Bob’s row');
  check(await ann.page.$$eval('.toast', (all) => all.some((note) => /Bob compared codes/.test(note.textContent))), 'a note');
  const cem = await arrive(await browser.createBrowserContext(), server.pageUrl + meeting.path, 'Cem', { camera: false });
  await standing(cem, 'disputed');
  await open(bob);
  await members(bob, 3);
  await bob.click('compare-all');
  await bob.click('code-matches');
  await standing(bob, 'verified');
  for (const person of [ann, cem]) await standing(person, 'encrypted');
});

test('a clock that is wrong is said, and raises no alarm of security', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  await enter(t, server, meeting, 'Bob');
  const page = await newPage(await chromium(t), server.pageUrl + meeting.path);
  const ann = new Person(page, 'Ann');
  await ann.shows('prejoin');
  const worker = await until('the worker', () => page.workers()[0]);
  await worker.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() - 86_400_000;
  });
  await ann.join({ camera: false });
  await ann.shows('clock-wrong');
  check(/is 1 day behind/.test(await ann.text('clock-wrong')), await ann.text('clock-wrong'));
  await open(ann);
  await members(ann, 2);
  await standing(ann, 'encrypted');
  checkEqual(await ann.page.$('[data-testid="security-alarms"]'), null, 'alarms');
  await ann.page.click('[data-testid="clock-wrong"] button');
  await until('the hint to go', async () => (await ann.page.$('[data-testid="clock-wrong"]')) === null);
});

test('only those whose code was shown are verified: who comes meanwhile is not', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann], come } = await meet(t);
  await come('Bob');
  await open(ann);
  await members(ann, 2);
  await ann.click('compare-all');
  await come('Cem');
  await members(ann, 3);
  const button = await ann.page.$('[data-testid="code-matches"]');
  if (button) await button.click();
  await until('nobody to be verified', async () => (await ann.page.$('[data-testid="code-changed"]')) && (await verified(ann)).join() === 'Ann');
  await ann.click('compare-all');
  await ann.click('code-matches');
  await standing(ann, 'verified');
});

test('whoever loses the verified state by a third who comes is told, and it does not look as before', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann], come } = await meet(t);
  await come('Bob');
  await open(ann);
  await members(ann, 2);
  await ann.click('compare-all');
  await ann.click('code-matches');
  await standing(ann, 'verified');
  const before = await inBar(ann);
  await come('Dan');
  await standing(ann, 'unverified');
  await until('a note that names Dan', () => ann.page.$$eval('.toast', (all) => all.some((note) => /not verified any longer.*Dan/.test(note.textContent))));
  const after = await inBar(ann);
  check(after.icon !== before.icon && after.look !== before.look && after.name !== before.name, 'icon, colour and words');
  check(/1 person not verified/.test(after.name), after.name);
});

test('end-to-end encryption is said before and in the meeting in plain words, and nobody is a guest and host at once', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const host = await enter(t, server, meeting, 'Host', { host: true });
  const ann = new Person(await newPage(await chromium(t), server.pageUrl + meeting.path), 'Ann');
  await ann.shows('prejoin');
  check(/end-to-end encrypted/i.test(await ann.text('prejoin')), 'before');
  await ann.join();
  await ann.shows('open-security');
  check(/End-to-end encrypted/.test(await ann.page.$eval('.security-words', (one) => one.innerText)), 'in the bar');
  await open(ann);
  await members(ann, 2);
  const panel = await ann.page.$eval('[data-testid="panel-security"]', (one) => one.innerText);
  check(/end-to-end encrypted/i.test(panel), 'in the panel');
  check(!/epoch|MLS|AES|SFrame|guest/i.test(panel), `words that say nothing to people: ${panel}`);
  check(/Host\s*\n.*not verified by you/.test(panel), `the host's row: ${panel}`);
  await ann.page.click('[data-testid="security-details"] summary');
  check(/MLS_/.test(await ann.page.$eval('[data-testid="security-details"]', (one) => one.innerText)), 'the details have it');
  void host;
});

test('who comes with a wrong key reads about the link, and not the alarm that is for members', { timeoutMs: 90_000 }, async (t) => {
  const { server, meeting, browser, people: [ann] } = await meet(t);
  const page = await newPage(await browser.createBrowserContext());
  await page.evaluateOnNewDocument(() => {
    window.notes = [];
    document.addEventListener('DOMContentLoaded', () => {
      new MutationObserver(() => window.notes.push(...[...document.querySelectorAll('.toast')].map((note) => note.textContent)))
        .observe(document.body, { childList: true, subtree: true });
    });
  });
  await page.goto(server.pageUrl + meeting.path.replace(/k=.{43}/, `k=${'A'.repeat(43)}`));
  const eve = new Person(page, 'Eve');
  await eve.ended('mismatch', 60_000);
  checkEqual(await page.evaluate(() => window.notes), [], 'notes');
  checkEqual((await ann.tiles()).length, 1, 'people at Ann’s');
});

test('who comes late reads that earlier messages are not theirs to read', { timeoutMs: 90_000 }, async (t) => {
  const { server, meeting, browser, people: [ann] } = await meet(t);
  await ann.click('open-chat');
  check(!(await ann.page.$('[data-testid="chat-before"]')), 'who began the meeting reads nothing of the kind');
  await ann.page.type('[data-testid="chat-input"]', 'before Bob');
  await ann.click('chat-send');
  const bob = await arrive(await browser.createBrowserContext(), server.pageUrl + meeting.path, 'Bob', { camera: false });
  await bob.page.bringToFront();
  await bob.click('open-chat');
  await bob.shows('chat-before');
  check(/before you came is not yours to read/.test(await bob.text('chat-before')), 'words');
});

test('neither the key of a link nor the name of a meeting gets into what browsers keep as history', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const page = await newPage(await chromium(t), server.pageUrl + '/');
  const ann = new Person(page, 'Ann');
  await ann.click('start-meeting');
  await ann.shows('prejoin');
  const link = await page.$eval('.invite input', (field) => field.value);
  const key = /#k=([A-Za-z0-9_-]{43})/.exec(link)?.[1];
  check(key, `the link to give away is whole: ${link}`);
  const { ownerSeed } = await page.evaluate(() => JSON.parse(sessionStorage.getItem('conclave.keys'))[0]);
  check(/^[\w-]{43}$/.test(ownerSeed), 'the maker has the key of the owner');
  await page.evaluate(() => {
    window.copied = [];
    navigator.clipboard.writeText = (text) => Promise.resolve(void window.copied.push(text));
  });
  await page.click('.invite button');
  await ann.join();
  await ann.click('open-more');
  await ann.click('copy-link');
  const given = [link, ...(await page.evaluate(() => window.copied))];
  checkEqual(given.length, 3, 'links to give away');
  for (const one of given) check(one === link && !one.includes(ownerSeed) && !/[#&]h=/.test(one), `a link that is given away: ${one}`);
  await ann.click('open-more');
  await ann.click('open-title');
  await page.type('[data-testid="title-input"]', 'Budget');
  await ann.click('title-save');
  await until('the name to be shown', async () => (await ann.text('meeting-title')) === 'Budget');
  const session = await page.createCDPSession();
  const kept = async () => JSON.stringify((await session.send('Page.getNavigationHistory')).entries.map(({ url, title }) => ({ url, title })));
  const clean = async (when) => {
    const history = await kept();
    const shown = await page.evaluate(() => document.title + document.documentElement.outerHTML + [...document.querySelectorAll('input')].map((one) => one.value));
    check(!shown.includes(ownerSeed), `${when}: the key of the owner is in the page`);
    check(!history.includes(key) && !history.includes(ownerSeed) && !history.includes('#') && !history.includes('Budget'), `${when}: ${history}`);
  };
  await clean('in the meeting');
  await page.reload();
  await ann.shows('prejoin');
  await ann.join();
  await clean('after loading it again');
  const other = new Person(await newPage(await page.browser().createBrowserContext(), link), 'Bob');
  await other.shows('prejoin');
  check(!other.page.url().includes('#'), `the address of who opened the link: ${other.page.url()}`);
  await other.join();
  await other.tileOf('Ann');
});
