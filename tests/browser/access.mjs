// Every screen under the rules of axe (WCAG 2.2 A and AA and its best practices), and where the focus goes.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import { chromium, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { rtcNodeParticipant, sealed } from '../lib/rtcnode.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on the screen as it is, in light and in dark. */
async function judge(page, screen, found) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    await page.waitForFunction((wanted) => getComputedStyle(document.documentElement).colorScheme === wanted, {}, scheme);
    // colours on their way from one scheme to the other are neither
    await page.evaluate(async () => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
      await Promise.allSettled(changes.map((change) => change.finished));
    });
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource);
    const violations = await page.evaluate(async () => {
      const results = await window.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      });
      return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => `${n.html.slice(0, 120)} (${n.any[0]?.message ?? ''})`).join(' | ')}`);
    });
    found.push(...violations.map((violation) => `${screen}, ${scheme}: ${violation}`));
  }
}

const focusedId = (page) => page.evaluate(() => document.activeElement?.closest('[data-testid]')?.dataset.testid);

test('no screen breaks a rule of accessibility, in light or dark', { timeoutMs: 180_000 }, async (t) => {
  const server = await startServer(t);
  const { id, path } = await server.newMeeting();
  const browser = await chromium(t);
  const page = await newPage(browser, server.pageUrl + '/');
  const ann = new Person(page, 'Ann');
  const found = [];
  await ann.shows('landing');
  await judge(page, 'landing', found);
  await ann.click('later-link');
  await page.waitForSelector('.card');
  await ann.click('join-code-submit');
  await judge(page, 'landing with a link and a missing code', found);
  await page.goto(`${server.pageUrl}/m/${'B'.repeat(32)}`);
  await ann.ended('incomplete');
  await judge(page, 'a link without its key', found);
  await page.goto(`${server.pageUrl}${path.replace(id, 'A'.repeat(32))}`);
  await ann.ended('mismatch');
  await judge(page, 'a link that was changed', found);
  await page.goto(server.pageUrl + path);
  await ann.click('prejoin-join');
  await judge(page, 'pre-join without a name', found);
  await ann.join();
  await judge(page, 'alone', found);
  const bob = await arrive(browser, server.pageUrl + path, 'Bob');
  await page.bringToFront();
  await ann.tileOf('Bob');
  await judge(page, 'two people', found);
  await ann.click('open-chat');
  await page.type('[data-testid="chat-input"]', 'see https://example.org');
  await ann.click('chat-send');
  await page.waitForSelector('[data-testid="chat-message"][data-state="sent"]');
  await judge(page, 'chat', found);
  await ann.click('open-people');
  await judge(page, 'people', found);
  await ann.click('open-people');
  await ann.click('open-more');
  await judge(page, 'menu', found);
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await ann.shows('shortcuts-dialog');
  await judge(page, 'shortcuts', found);
  await page.keyboard.press('Escape');
  await page.setViewport({ width: 320, height: 640 });
  await judge(page, 'two people on a small phone', found);
  await page.setViewport({ width: 1280, height: 800 });
  await ann.click('open-more');
  await ann.click('layout-speaker');
  await page.waitForSelector('.stage');
  await judge(page, 'speaker view', found);
  await ann.click('leave');
  await ann.ended('left');
  await judge(page, 'left', found);
  await bob.page.close();
  checkEqual(found, [], 'rules broken');
});

test('the focus follows panels, menus, dialogs and pages, and comes back', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const browser = await chromium(t);
  const page = await newPage(browser, server.pageUrl + '/');
  const ann = new Person(page, 'Ann');
  const focusIs = (id) => until(`the focus to be at ${id}`, async () => (await focusedId(page)) === id);
  await ann.click('later-link');
  await until('the new link to have the focus', () => page.evaluate(() => document.activeElement?.closest('.card') !== null));
  await ann.click('start-meeting');
  await ann.shows('prejoin');
  // the heading where there is no mouse: a keyboard on the screen would cover the preview
  await until('the name or the heading to have the focus', async () => ['prejoin', 'prejoin-name'].includes(await focusedId(page)));
  await ann.join();
  await ann.click('open-chat');
  await focusIs('chat-input');
  await page.keyboard.press('Escape');
  await focusIs('open-chat');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await ann.shows('panel-people');
  check(await page.evaluate(() => document.activeElement?.closest('[data-testid="panel-people"]') !== null), 'the focus is in the panel');
  await page.keyboard.press('Escape');
  await focusIs('open-people');
  await page.focus('[data-testid="open-more"]');
  await page.keyboard.press('Enter');
  await focusIs('layout-gallery');
  await page.keyboard.press('ArrowDown');
  await focusIs('layout-speaker');
  await page.keyboard.press('Escape');
  await focusIs('open-more');
  await page.keyboard.press('?');
  await ann.shows('shortcuts-dialog');
  check(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)), 'the focus is in the dialog');
  await ann.click('shortcuts-enabled');
  await page.keyboard.press('Escape');
  await focusIs('open-more');
  await page.keyboard.press('?');
  const mic = await ann.pressed('toggle-mic');
  await page.keyboard.down('Control');
  await page.keyboard.press('d');
  await page.keyboard.up('Control');
  checkEqual([await page.$('[data-testid="shortcuts-dialog"]'), await ann.pressed('toggle-mic')], [null, mic], 'shortcuts that are off');
  await ann.click('leave');
  await until('the heading of the next page to have the focus', () => page.evaluate(() => document.activeElement?.tagName === 'H1'));
  await ann.click('go-home');
  await ann.shows('landing');
  await until('the heading of the first page to have it', () => page.evaluate(() => document.activeElement?.tagName === 'H1'));
});

/** All that a screen reader was given to say without the focus, in order. */
const hear = (page) => page.evaluateOnNewDocument(() => {
  window.said = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const region = (target.nodeType === 1 ? target : target.parentElement)?.closest('[aria-live], [role="status"], [role="alert"]');
      if (region?.isConnected && region.textContent !== '') window.said.push(region.textContent);
    }
  }).observe(document, { childList: true, subtree: true, characterData: true });
});
const said = (person, words) => until(`${person.name} to hear "${words}"`, () =>
  person.page.evaluate((wanted) => window.said.some((text) => text.includes(wanted)), words));

test('hands, reactions, and a microphone that is muted by a key are said by screen readers', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const browser = await chromium(t);
  const page = await newPage(browser);
  await hear(page);
  await page.goto(server.pageUrl + path);
  const ann = new Person(page, 'Ann');
  await ann.join({ camera: false });
  const bob = await arrive(await browser.createBrowserContext(), server.pageUrl + path, 'Bob', { camera: false });
  await bob.click('toggle-hand');
  await bob.click('open-reactions');
  await bob.click('react-1');
  await page.bringToFront();
  await said(ann, 'Bob raised a hand');
  await said(ann, 'Bob: Applause');
  await page.keyboard.down('Control');
  await page.keyboard.press('d');
  await page.keyboard.up('Control');
  await said(ann, 'Microphone off');
  await page.keyboard.down('Control');
  await page.keyboard.press('d');
  await page.keyboard.up('Control');
  await said(ann, 'Microphone on');
  await ann.click('toggle-hand');
  await said(ann, 'Your hand is raised');
});

test('many people are one stop of the Tab key, arrow keys go from one to the next, and the controls come soon', { timeoutMs: 150_000 }, async (t) => {
  const OTHERS = 8;
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = new Person(await newPage(await chromium(t), server.pageUrl + meeting.path), 'Ann');
  await ann.join();
  for (let i = 0; i < OTHERS; i++) {
    const { token } = await enter(t, server, meeting, `Other ${i}`);
    await rtcNodeParticipant(t, server.wsUrl, token, { watches: false, e2ee: sealed() });
  }
  const { page } = ann;
  await until('all to have tiles', async () => (await ann.tiles()).length === OTHERS + 1);
  await page.$eval('[data-testid="meeting"]', (meetingElement) => meetingElement.focus());
  await page.keyboard.press('Tab');
  checkEqual(await focusedId(page), 'skip-to-bar', 'the first stop');
  await page.keyboard.press('Enter');
  checkEqual(await focusedId(page), 'toggle-mic', 'after the skip');
  await page.$eval('[data-testid="skip-to-bar"]', (button) => button.focus());
  const stops = [];
  while (stops.at(-1) !== 'toggle-mic' && stops.length < 12) {
    await page.keyboard.press('Tab');
    stops.push(await focusedId(page));
  }
  checkEqual(stops, ['tile', 'open-security', 'toggle-mic'], 'stops from the start to the microphone');
  await page.keyboard.down('Shift');
  for (let i = 1; i < stops.length; i++) await page.keyboard.press('Tab');
  await page.keyboard.up('Shift');
  await page.keyboard.press('Home');
  const visited = new Set();
  for (let i = 0; i <= OTHERS; i++) {
    visited.add(await page.evaluate(() => document.activeElement.closest('[data-testid="tile"]')?.dataset.identity));
    await page.keyboard.press('ArrowRight');
  }
  checkEqual(visited.size, OTHERS + 1, 'people that arrow keys reach');
  await ann.click('open-people');
  await until('the list to be one stop, too', () => page.$$eval('.people-list button', (pins) => pins.filter((pin) => pin.tabIndex === 0).length === 1 && pins.length === 9));
});

test('on a touch screen nobody is told keys that are not there, until one is pressed', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const page = await newPage(await chromium(t));
  await page.setViewport({ width: 390, height: 844, isMobile: true, hasTouch: true });
  await page.goto(server.pageUrl + path);
  const ann = new Person(page, 'Ann');
  await ann.join({ camera: false });
  await ann.click('open-chat');
  await ann.click('open-more');
  await page.waitForSelector('[role="menu"]');
  const keys = () => page.evaluate(() => {
    const told = [document.body.innerText, ...[...document.querySelectorAll('*')].flatMap((one) => ['data-tip', 'aria-keyshortcuts', 'title'].map((name) => one.getAttribute(name) ?? ''))];
    return told.filter((text) => /Ctrl|Control|⌘|Shift|Enter/.test(text));
  });
  checkEqual(await keys(), [], 'keys that are told');
  await page.keyboard.press('Escape');
  await until('keys to be told to who has them', async () => (await keys()).some((text) => text.includes('Ctrl+D')));
});

test('a dialog begins at what it asks for, and names in both directions begin at one edge', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { path, hostPath } = await server.newMeeting();
  const browser = await chromium(t);
  const ann = await arrive(browser, server.pageUrl + hostPath, 'Ann', { camera: false });
  await arrive(await browser.createBrowserContext(), server.pageUrl + path, 'فاطمة الزهراء', { camera: false });
  await ann.page.bringToFront();
  await ann.click('open-more');
  await ann.click('open-title');
  await until('the focus to be in the field', async () => (await focusedId(ann.page)) === 'title-input');
  await ann.page.keyboard.press('Escape');
  await ann.click('open-more');
  await ann.click('open-devices');
  await until('the focus to be at the first device', () => ann.page.evaluate(() => document.activeElement?.tagName === 'SELECT'));
  await ann.page.keyboard.press('Escape');
  await ann.click('open-people');
  const edges = await until('both in the list', async () => {
    const all = await ann.page.$$eval('.person-name', (names) => names.map((name) => {
      const words = document.createRange();
      words.selectNodeContents(name);
      return Math.round(words.getBoundingClientRect().left);
    }));
    return all.length === 2 && all;
  });
  checkEqual(edges[0], edges[1], 'where names begin');
});

