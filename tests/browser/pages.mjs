// The pages around a meeting, and what the browser is told about them.
import { chromium, newPage } from '../lib/browsers.mjs';
import { Person } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

test('from the landing page to a meeting and out again, asking no other host', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const browser = await chromium(t);
  const page = await newPage(browser);
  const asked = new Set();
  await page.evaluateOnNewDocument(() => {
    window.addressServers = [];
    const Real = RTCPeerConnection;
    window.RTCPeerConnection = class extends Real {
      constructor(options) {
        super(options);
        window.addressServers.push(...(options?.iceServers ?? []));
      }
    };
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!['data:', 'blob:'].includes(url.protocol)) asked.add(url.host);
  });
  await page.goto(server.pageUrl + '/');
  const ann = new Person(page, 'Ann');
  await ann.click('start-meeting');
  await ann.join();
  check(/\/m\/[A-Za-z0-9_-]{22,}/.test(page.url()), `the link carries at least 128 bits: ${page.url()}`);
  checkEqual(await page.evaluate(() => window.addressServers), [], 'STUN and TURN servers');
  await ann.click('leave');
  await ann.shows('ended-page');
  checkEqual(await page.evaluate(() => window.violations), [], 'violations of the policy');
  checkEqual(await page.$eval('[data-testid="ended-page"]', (e) => e.dataset.reason), 'left', 'reason');
  await ann.click('rejoin');
  await until('pre-join or the meeting again', async () => (await page.$('[data-testid="prejoin"]')) || (await page.$('[data-testid="meeting"]')));
  checkEqual([...asked], [new URL(server.pageUrl).host], 'hosts asked');
  checkEqual(page.problems, [], 'errors in the console');
});

test('the link field takes a whole link, with or without its address, and says so when the key is missing', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const { id, path } = await server.newMeeting();
  const browser = await chromium(t);
  for (const entry of [path.slice('/m/'.length), server.pageUrl + path, `Join: ${server.pageUrl}${path} (at nine)`, id]) {
    const page = await newPage(browser, server.pageUrl + '/');
    const ann = new Person(page, 'Ann');
    await ann.shows('join-code');
    await page.type('[data-testid="join-code"]', entry);
    await ann.click('join-code-submit');
    if (entry === id) await ann.ended('incomplete');
    else await ann.shows('prejoin');
    await page.close();
  }
});

const otherChar = (text, at) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
const wayOn = (page) => page.evaluate(() => document.body.innerText.length > 40 && document.querySelectorAll('a, button').length > 0);

test('a wrong link says what to do next', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { id, path } = await server.newMeeting();
  const browser = await chromium(t);
  for (const link of ['/m/' + 'B'.repeat(32), `/m/${id}#k=${'A'.repeat(43)}`]) {
    const page = await newPage(browser, server.pageUrl + link);
    await new Person(page, 'Ann').ended('incomplete');
    check(await wayOn(page), `a way on from ${link}`);
  }
  // the id is of these keys, but this server never made it: what the one answer to all that opens nothing reads like
  const page = await newPage(browser, server.pageUrl + path.replace(id, otherChar(id, 30)));
  const ann = new Person(page, 'Ann');
  await ann.shows('prejoin');
  await page.type('[data-testid="prejoin-name"]', 'Ann');
  await ann.click('prejoin-join');
  await ann.ended('not_found');
  const text = await page.$eval('[data-testid="ended-page"]', (one) => one.innerText);
  check(/This link does not open a meeting here\s+It may be incomplete, have ended, or have been replaced\./.test(text), text);
  check(await wayOn(page), 'a way on');
});

test('a link of which any part was changed, or that is of another server, says so and goes no further', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { id, path } = await server.newMeeting();
  const other = await server.newMeeting();
  const part = (name) => path.indexOf(`${name}=`) + 3;
  const changed = {
    'the key': otherChar(path, part('k')),
    'who runs the server': otherChar(path, part('o')),
    'whose meeting it is': otherChar(path, part('w')),
    'who may begin it': path.replace('&j=1', ''),
    'the encryption': `${path}&s=1`,
    'another meeting’s id': path.replace(id, other.id),
  };
  const browser = await chromium(t);
  for (const [what, link] of Object.entries(changed)) {
    const page = await newPage(browser, server.pageUrl + link);
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    const ann = new Person(page, 'Ann');
    await ann.ended('mismatch');
    check(/was changed, or it was made for another server/.test(await ann.text('ended-page')), `${what}: ${await ann.text('ended-page')}`);
    checkEqual(asked.filter((url) => url.includes(id)), [], `${what}: what the server is asked`);
    check(await wayOn(page), `${what}: a way on`);
    await page.close();
  }
});

test('who comes before the meeting was begun is told so, comes in by itself when it is, and may go elsewhere meanwhile', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting({ kind: 1 }); // nobody begins it but its owner
  const browser = await chromium(t);
  const people = [];
  for (const name of ['Ann', 'Bob']) {
    const person = new Person(await newPage(await browser.createBrowserContext(), server.pageUrl + meeting.path), name);
    await person.shows('prejoin');
    await person.page.type('[data-testid="prejoin-name"]', name);
    await person.click('prejoin-join');
    await until('words for the wait', async () => /has not started yet/.test(await person.text('waiting')));
    people.push(person);
  }
  const [ann, bob] = people;
  await bob.page.goto(server.pageUrl + '/');
  const host = await enter(t, server, meeting, 'Host', { host: true });
  await ann.shows('meeting', 30_000);
  await until('Ann to have come', async () => (await host.people()).people.some((one) => one.name === 'Ann'));
  checkEqual((await host.people()).people.length, 2, 'people: Bob has gone elsewhere');
});

test('an address that does not exist is a page that says so and takes a link', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const page = await newPage(await chromium(t));
  const reply = await page.goto(server.pageUrl + '/nowhere/at/all');
  checkEqual(reply.status(), 404, 'status');
  const ann = new Person(page, 'Ann');
  await ann.shows('unknown-page');
  await page.type('[data-testid="join-code"]', `Join: ${server.pageUrl}${path}`);
  await ann.click('join-code-submit');
  await ann.shows('prejoin');
  checkEqual((await fetch(server.pageUrl + '/nowhere.js')).status, 404, 'status for a program');
});

test('a link that lacks its key is made whole where that is said', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const { id, path } = await server.newMeeting();
  const browser = await chromium(t);
  for (const entry of [path.slice(path.indexOf('#')), `Ann: ${server.pageUrl}${path}`]) {
    const page = await newPage(browser, `${server.pageUrl}/m/${id}`);
    const ann = new Person(page, 'Ann');
    await ann.ended('incomplete');
    await page.type('[data-testid="join-code"]', id);
    await ann.click('join-code-submit');
    await until('it to be said that the key is still missing', () => page.$eval('#join-code-hint', (hint) => hint.textContent.includes('after #')));
    await page.$eval('[data-testid="join-code"]', (field) => field.select());
    await page.type('[data-testid="join-code"]', entry);
    await ann.click('join-code-submit');
    await ann.shows('prejoin');
    await page.close();
  }
});

test('pages forbid scripts, frames and hosts of others', async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  for (const where of ['/', path]) {
    const reply = await fetch(server.pageUrl + where, { headers: { accept: 'text/html' } });
    checkEqual(reply.status, 200, where);
    const policy = reply.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval';", "frame-ancestors 'none'", "base-uri 'none'"]) {
      check(policy.includes(part), `${where}: policy lacks ${part}`);
    }
    check(!/'unsafe-(inline|eval)'|https?:\/\/(?!localhost)/.test(policy), `${where}: ${policy}`);
    checkEqual(reply.headers.get('referrer-policy'), 'no-referrer', 'referrer policy');
    checkEqual(reply.headers.get('x-content-type-options'), 'nosniff', 'sniffing');
  }
});

test('narrow, wide, light and dark: nothing runs over the edge', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const browser = await chromium(t);
  const page = await newPage(browser, server.pageUrl + path);
  const ann = new Person(page, 'Ann');
  await ann.join();
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    for (const [width, height] of [[320, 640], [800, 600], [1920, 1080]]) {
      await page.setViewport({ width, height });
      await new Promise((resolve) => setTimeout(resolve, 300));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      check(overflow <= 0, `${width} px wide in ${scheme}: ${overflow} px too wide`);
      const leave = await page.$eval('[data-testid="leave"]', (button) => {
        const box = button.getBoundingClientRect();
        return box.left >= 0 && box.right <= window.innerWidth && box.bottom <= window.innerHeight && box.height >= 24;
      });
      check(leave, `leave is on the screen at ${width} px in ${scheme}`);
    }
  }
});

test('a meeting can be joined, muted and left with the keyboard alone', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const browser = await chromium(t);
  const page = await newPage(browser, server.pageUrl + path);
  await page.waitForSelector('[data-testid="prejoin-name"]');
  const tabTo = async (id) => {
    for (let i = 0; i < 40; i++) {
      const at = await page.evaluate(() => document.activeElement?.closest('[data-testid]')?.dataset.testid);
      if (at === id) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not reach ${id}`);
  };
  await tabTo('prejoin-name');
  await page.keyboard.type('Ann');
  await tabTo('prejoin-join');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid="meeting"]');
  const pressed = () => page.$eval('[data-testid="toggle-mic"]', (button) => button.getAttribute('aria-pressed'));
  const before = await until('the microphone button', pressed);
  await page.keyboard.down('Control');
  await page.keyboard.press('d');
  await page.keyboard.up('Control');
  await until('the shortcut to mute', async () => (await pressed()) !== before);
  await tabTo('leave');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid="ended-page"]');
});
