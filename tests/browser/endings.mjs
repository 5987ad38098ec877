// How a meeting ends for one person, and the ways back.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { chromium, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { startRelay } from '../lib/relay.mjs';
import { enter } from '../lib/member.mjs';
import { check, checkEqual, sleep, test, until } from '../lib/runner.mjs';
import { binary, startServer } from '../lib/server.mjs';

async function pair(t) {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const url = server.pageUrl + link;
  const browser = await chromium(t, { look: 'red' });
  const ann = await arrive(browser, url, 'Ann');
  const bob = await arrive(await chromium(t, { look: 'blue' }), url, 'Bob');
  return { server, browser, ann, bob };
}

const annsAt = async (bob) => (await bob.tiles()).filter((tile) => tile.text.includes('Ann')).length;

test('a duplicated tab takes the place of the first, which says so and can take it back', { timeoutMs: 120_000 }, async (t) => {
  const { browser, ann, bob } = await pair(t);
  await until('one Ann', async () => (await annsAt(bob)) === 1);
  // a window opened by the page gets a copy of what is stored for the tab, as a duplicated tab does
  const [target] = await Promise.all([
    new Promise((resolve) => browser.once('targetcreated', resolve)),
    ann.page.evaluate(() => void window.open(location.href)),
  ]);
  const copy = new Person(await target.page(), 'Ann');
  await copy.page.bringToFront();
  await copy.join();
  await ann.ended('elsewhere');
  checkEqual(await annsAt(bob), 1, 'people called Ann');
  await ann.page.bringToFront();
  await ann.click('rejoin');
  await ann.shows('meeting', 30_000);
  await copy.ended('elsewhere');
  await ann.seesMoving('Bob');
  checkEqual(await annsAt(bob), 1, 'people called Ann');
});

test('who is removed reads what happened and what they can do', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const host = await enter(t, server, meeting, 'Host', { host: true });
  const ann = await arrive(await chromium(t), server.pageUrl + meeting.path, 'Ann');
  const { people } = await host.people();
  checkEqual(await host.do('remove', { identity: people.find((one) => one.name === 'Ann').identity }), 'OK', 'the host removes Ann');
  await ann.ended('removed');
  await ann.shows('go-home');
  const focused = await ann.page.evaluate(() => document.activeElement?.tagName);
  checkEqual(focused, 'H1', 'the focus is at the heading');
  await ann.click('go-home');
  await ann.shows('landing');
});

const named = async (host, name) => (await host.people()).people.find((one) => one.name === name)?.identity;

test('a person who was removed comes back by a click only, and as somebody new', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const host = await enter(t, server, meeting, 'Host', { host: true });
  const ann = await arrive(await chromium(t), server.pageUrl + meeting.path, 'Ann', { camera: false });
  const before = await until('the host to have Ann’s name', () => named(host, 'Ann'));
  checkEqual(await host.do('remove', { identity: before }), 'OK', 'the host removes Ann');
  await ann.ended('removed');
  check(/come back with a click/.test(await ann.text('ended-page')), 'what to do is said');
  await sleep(4000); // longer than a page that comes back by itself lets pass
  await ann.ended('removed');
  checkEqual((await host.people()).people.length, 1, 'people after a while');
  await ann.page.reload();
  await ann.shows('prejoin');
  checkEqual((await host.people()).people.length, 1, 'people after the page was loaded again');
  await ann.join();
  const after = await until('Ann to be seen again', () => named(host, 'Ann'));
  check(after !== before, 'as somebody new');
});

test('who is removed while the connection is down does not come back by itself either', { timeoutMs: 150_000 }, async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const relay = await startRelay(t, server.ports.http);
  const host = await enter(t, server, meeting, 'Host', { host: true });
  const ann = await arrive(await chromium(t), `http://localhost:${relay.port}${meeting.path}`, 'Ann', { camera: false });
  const before = await until('the host to have Ann’s name', () => named(host, 'Ann'));
  relay.block();
  await ann.shows('reconnecting', 30_000);
  checkEqual(await host.do('remove', { identity: before }), 'OK', 'the host removes Ann');
  await until('Ann to be gone', async () => (await host.people()).people.length === 1);
  relay.unblock();
  await ann.shows('ended-page', 60_000);
  await ann.ended('not_found');
  checkEqual((await host.people()).people.length, 1, 'people');
});

test('a page that is loaded again keeps its seat and what it may', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const ann = new Person(await newPage(await chromium(t), server.pageUrl + '/'), 'Ann');
  await ann.click('start-meeting');
  await ann.join({ camera: false });
  const link = await ann.page.evaluate(() => JSON.parse(sessionStorage.getItem('conclave.keys'))[0]);
  const bob = await arrive(await chromium(t), `${server.pageUrl}/m/${link.id}${link.fragment}`, 'Bob', { camera: false });
  const annAt = async (person) => {
    await person.page.bringToFront();
    if (!(await person.page.$('[data-testid="panel-security"]'))) await person.click('open-security');
    return until(`${person.name} to see Ann as host`, () => person.page.$$eval('[data-testid="security-person"]', (all) => {
      const row = all.find((one) => one.querySelector('strong').textContent === 'Ann');
      return row?.querySelector('.tag') && { identity: row.dataset.identity, people: all.length };
    }));
  };
  const before = await annAt(bob);
  await ann.page.reload();
  await ann.join();
  checkEqual(await annAt(ann), { identity: before.identity, people: 2 }, 'Ann at her own');
  checkEqual(await annAt(bob), { identity: before.identity, people: 2 }, 'Ann at Bob’s');
  await ann.click('open-more');
  await ann.click('open-title');
  await ann.page.type('[data-testid="title-input"]', 'Budget');
  await ann.click('title-save');
  await until('Bob to read the name that Ann gave', async () => (await bob.text('meeting-title')) === 'Budget');
});

test('a server that is about to stop says so to people, and until when', { timeoutMs: 90_000 }, async (t) => {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const ann = await arrive(await chromium(t), server.pageUrl + link, 'Ann', { camera: false });
  const drain = spawn(binary, ['drain', '--config', path.join(server.dir, 'conclave.yaml'), '--within', '600', '--no-wait'], { stdio: 'ignore' });
  t.defer(() => drain.kill());
  await ann.shows('closing');
  const words = await ann.text('closing');
  const latest = await ann.page.evaluate(() => [-1, 0, 1].map((minutes) =>
    new Date(Date.now() + 600_000 + minutes * 60_000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })));
  check(/about to stop/.test(words) && latest.some((time) => words.includes(time)), `${words} (${latest})`);
  check(await ann.page.$('[data-testid="meeting"]'), 'the meeting goes on');
});

test('a server that restarts takes everybody back in by itself, devices as they were', { timeoutMs: 120_000 }, async (t) => {
  const { server, ann, bob } = await pair(t);
  await ann.click('toggle-mic');
  await until('Ann to be muted', async () => (await bob.tileOf('Ann')).muted === 'true');
  await server.stop();
  await ann.shows('reconnecting', 20_000);
  await server.start();
  for (const person of [ann, bob]) {
    await until(`${person.name} to be back`, async () => (await person.page.$('[data-testid="reconnecting"]')) === null, 60_000);
  }
  await ann.seesMoving('Bob');
  await bob.seesMoving('Ann');
  checkEqual((await bob.tileOf('Ann')).muted, 'true', 'Ann is muted at Bob’s');
  checkEqual([await ann.pressed('toggle-mic'), await ann.pressed('toggle-camera')], [false, true], 'Ann’s microphone and camera');
});

test('a camera that does not start again at the first attempt after a reconnection is seen again all the same', { timeoutMs: 120_000 }, async (t) => {
  const { server, ann, bob } = await pair(t);
  await ann.page.evaluate(() => {
    const devices = navigator.mediaDevices;
    const real = devices.getUserMedia.bind(devices);
    let refusals = 1;
    devices.getUserMedia = (constraints) => constraints.video && refusals-- > 0
      ? Promise.reject(new DOMException('Could not start video source', 'NotReadableError')) : real(constraints);
  });
  await server.stop();
  await ann.shows('reconnecting', 20_000);
  await server.start();
  await bob.seesMoving('Ann');
  await bob.hears('Ann');
  check(await ann.pressed('toggle-camera'), 'Ann’s camera is on');
});

test('a server that is stopped says so at once, and so does the page when it does not come back', { timeoutMs: 150_000 }, async (t) => {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const ann = await arrive(await chromium(t), server.pageUrl + link, 'Ann');
  await server.stop();
  await ann.shows('reconnecting', 20_000);
  checkEqual(await ann.page.$eval('[data-testid="reconnecting"]', (banner) => banner.dataset.cause), 'shutdown', 'what the banner tells');
  check(/going down or restarting/.test(await ann.text('reconnecting')), 'the words of the banner');
  await ann.ended('shutdown', 120_000);
  await server.start();
  await ann.click('rejoin');
  await ann.shows('meeting', 30_000);
});

test('a connection that does not come back ends on a page with a way back', { timeoutMs: 150_000 }, async (t) => {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const ann = await arrive(await chromium(t), server.pageUrl + link, 'Ann');
  await server.stop('SIGKILL');
  await ann.shows('reconnecting', 30_000);
  await ann.click('toggle-mic');
  await until('mute to work meanwhile', async () => !(await ann.pressed('toggle-mic')));
  await ann.ended('lost', 120_000);
  await ann.click('rejoin');
  await until('the failure to be told', () =>
    ann.page.$$eval('[role="alert"]', (all) => all.some((alert) => /does not answer/.test(alert.textContent))), 30_000);
  await server.start();
  await ann.click('rejoin');
  await ann.shows('meeting', 30_000);
  checkEqual(await ann.pressed('toggle-mic'), false, 'the microphone is still muted');
  check((await ann.tiles()).length === 1, 'one tile');
});

test('going back in the browser asks before it leaves the meeting', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const browser = await chromium(t);
  const ann = new Person(await newPage(browser, server.pageUrl + '/'), 'Ann');
  const { page } = ann;
  await ann.shows('landing');
  await page.type('[data-testid="join-code"]', server.pageUrl + link);
  await ann.click('join-code-submit');
  await ann.join({ camera: false });
  const back = () => page.evaluate(() => history.back());
  for (const answer of ['leave-stay', 'Escape', 'leave-anyway']) {
    await back();
    await ann.shows('leave-dialog');
    await ann.shows('meeting');
    if (answer === 'Escape') await page.keyboard.press('Escape');
    else await ann.click(answer);
    await until('the question to go', async () => (await page.$('[data-testid="leave-dialog"]')) === null);
    if (answer !== 'leave-anyway') check((await page.$('[data-testid="meeting"]')) !== null, 'still in the meeting');
  }
  await ann.ended('left');
  await back();
  await ann.shows('prejoin');
  await back();
  await ann.shows('landing');
});
