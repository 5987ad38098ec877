// What is on the screen with more people than fit, and what moves when somebody speaks.
import { chromium, newPage } from '../lib/browsers.mjs';
import { Person } from '../lib/meeting.mjs';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { rtcNodeParticipant, sealed } from '../lib/rtcnode.mjs';
import { startServer } from '../lib/server.mjs';

const OTHERS = 8;
const PICTURE = { width: 320, height: 180, fps: 2 };

const places = (page) =>
  page.$$eval('[data-testid="tile"]', (tiles) => tiles.map((tile) => {
    const { x, y, width, height } = tile.getBoundingClientRect();
    return [Math.round(x), Math.round(y), Math.round(width), Math.round(height)].join(' ');
  }));

const names = (page) =>
  page.$$eval('[data-testid="tile"] .tile-name', (all) => all.map((name) => name.textContent));

test('more people than fit are on pages of equal tiles; who speaks comes to the first page and nothing else moves', { timeoutMs: 150_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = new Person(await newPage(await chromium(t), server.pageUrl + meeting.path), 'Ann');
  await ann.join();
  const others = [];
  for (let i = 0; i < OTHERS; i++) {
    // members of the group; what they publish is sealed with a key that Ann does not have, but who speaks is known from outside
    const { token } = await enter(t, server, meeting, `Other ${i}`);
    others.push(await rtcNodeParticipant(t, server.wsUrl, token, { watches: false, e2ee: sealed() }));
  }
  const { page } = ann;
  await page.setViewport({ width: 320, height: 400 });
  const pager = () => page.$eval('.pager [role="status"]', (text) => text.textContent);
  await until('two pages', async () => (await pager()) === '1 of 2');
  const first = { names: await names(page), places: await places(page) };
  check(first.names.length < OTHERS + 1 && first.names[0].includes('Ann'), `the first page: ${first.names}`);
  await page.click('.pager button:last-child');
  await until('the second page', async () => (await pager()) === '2 of 2');
  const second = { names: await names(page), places: await places(page) };
  checkEqual([...first.names, ...second.names].length, OTHERS + 1, 'people on both pages');
  checkEqual(second.places, first.places.slice(0, second.places.length), 'places on the second page');
  checkEqual(await page.$eval('.pager button:last-child', (b) => b.getAttribute('aria-disabled')), 'true', 'no third page');
  await page.click('.pager button:first-child');
  await until('the first page', async () => (await pager()) === '1 of 2');
  const speaker = second.names[second.names.length - 1];
  await others[OTHERS - 1].publish([20, 90, 160], 700, PICTURE);
  await until(`${speaker} to come to the first page`, async () => (await names(page)).includes(speaker), 30_000);
  const after = await names(page);
  checkEqual(await places(page), first.places, 'places');
  checkEqual(after.filter((name, i) => name !== first.names[i]).length, 1, 'people who changed places');
  await page.waitForSelector('[data-testid="tile"][data-speaking="true"]');

  // speaker view, and a pin that outranks it
  await page.setViewport({ width: 1280, height: 800 });
  await ann.click('open-more');
  await ann.click('layout-speaker');
  const onStage = () => page.$eval('.stage .tile-name', (name) => name.textContent);
  await until('the speaker on the stage', async () => (await onStage()) === speaker);
  await ann.click('open-people');
  const other = await page.$eval('[data-testid="people-row"]:nth-child(3)', (row) => row.querySelector('.person-name').textContent);
  await page.click('[data-testid="people-row"]:nth-child(3) button');
  await until(`${other} pinned`, async () => (await onStage()) === other);
  await page.click('.stage [aria-pressed="true"]');
  await until('the speaker again', async () => (await onStage()) === speaker);
});
