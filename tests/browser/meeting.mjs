// Two people meet: every pairing of browsers.
import { chromium, firefox, looks } from '../lib/browsers.mjs';
import { arrive } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

const openers = {
  Chromium: (t, look) => chromium(t, { look }),
  Firefox: (t) => firefox(t, { screen: true }),
};

async function meet(t, first, second) {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const [browserA, browserB] = await Promise.all([openers[first](t, 'red'), openers[second](t, 'blue')]);
  const url = server.pageUrl + path;
  const [ann, bob] = await Promise.all([arrive(browserA, url, 'Ann'), arrive(browserB, url, 'Bob')]);
  return { server, ann, bob, url };
}

async function chatBothWays(ann, bob) {
  for (const [from, to, words] of [[ann, bob, 'Good morning, Bob'], [bob, ann, 'Good morning, Ann <b>& all</b>']]) {
    if (!(await from.page.$('[data-testid="chat-input"]'))) await from.click('open-chat');
    await from.shows('chat-input');
    await from.page.type('[data-testid="chat-input"]', words);
    await from.click('chat-send');
    if (!(await to.page.$('[data-testid="chat-input"]'))) await to.click('open-chat');
    await until(`${to.name} to read it`, () =>
      to.page.$$eval('[data-testid="chat-message"]', (all, text) => all.some((m) => m.textContent.includes(text)), words));
  }
}

async function muteIsSeen(ann, bob) {
  await ann.click('toggle-mic');
  await until('Bob to see that Ann is muted', async () => (await bob.tileOf('Ann')).muted === 'true');
  await ann.click('toggle-mic');
  await until('Bob to see that Ann is not muted', async () => (await bob.tileOf('Ann')).muted === 'false');
}

/** `hertz` is the tone that the shared screen plays, where the browser shares sound. */
async function screenIsShared(from, to, hertz) {
  await from.click('share-screen');
  await to.seesMoving(from.name, { source: 'screen_share', minChange: 0.001, gapMs: 3000 });
  const area = (source) => to.page.$$eval(`[data-testid="tile"][data-source="${source}"]`, (tiles) =>
    Math.max(...tiles.map((tile) => tile.getBoundingClientRect().width * tile.getBoundingClientRect().height)));
  check((await area('screen_share')) > 2 * (await area('camera')), `${from.name}'s screen takes the stage at ${to.name}'s`);
  if (hertz) await to.hears(from.name, { hertz, source: 'screen_share_audio' });
  await from.shows('own-share');
  check(!(await from.tiles()).some((tile) => tile.source === 'screen_share'), 'who shares keeps the gallery');
  await from.click('share-screen');
  await until('the screen to go', async () => !(await to.tiles()).some((tile) => tile.source === 'screen_share'));
}

async function leaves(ann, bob) {
  await ann.click('leave');
  await ann.shows('ended-page');
  await until('Ann to be gone', async () => !(await bob.tiles()).some((tile) => tile.text.includes('Ann')));
}

for (const [first, second] of [['Chromium', 'Chromium'], ['Chromium', 'Firefox'], ['Firefox', 'Firefox']]) {
  test(`${first} and ${second} see, hear, write to each other, share, mute and leave`, { timeoutMs: 240_000 }, async (t) => {
    const { ann, bob } = await meet(t, first, second);
    // Firefox's own fake camera shows one colour that wanders through the hues, and its microphone a tone of 1000 Hz
    const colourOf = (browser, look) => (browser === 'Chromium' ? { rgb: looks[look].rgb } : { minChange: 0.5, gapMs: 3000 });
    const toneOf = (browser, look) => (browser === 'Chromium' ? { hertz: looks[look].hertz } : { hertz: 1000 });
    await Promise.all([
      ann.seesMoving('Bob', colourOf(second, 'blue')),
      bob.seesMoving('Ann', colourOf(first, 'red')),
    ]);
    await ann.hears('Bob', toneOf(second, 'blue'));
    await bob.hears('Ann', toneOf(first, 'red'));
    await chatBothWays(ann, bob);
    await muteIsSeen(ann, bob);
    // Chromium's stand-in for a screen plays the microphone's file; Firefox shares no sound
    await screenIsShared(ann, bob, first === 'Chromium' && looks.red.hertz);
    await screenIsShared(bob, ann, second === 'Chromium' && looks.blue.hertz);
    await leaves(ann, bob);
    for (const person of [ann, bob]) checkEqual(person.page.problems, [], `errors in ${person.name}'s console`);
  });
}

test('a lost connection is shown, leave stays usable, and the meeting goes on when it is back', { timeoutMs: 120_000 }, async (t) => {
  const { server, ann, bob } = await meet(t, 'Chromium', 'Chromium');
  await ann.seesMoving('Bob');
  await server.stop('SIGKILL');
  await ann.shows('reconnecting', 20_000);
  for (const id of ['toggle-mic', 'leave']) {
    const usable = await ann.page.$eval(`[data-testid="${id}"]`, (button) => !button.disabled && button.offsetParent !== null);
    check(usable, `${id} is usable while reconnecting`);
  }
  await server.start();
  await until('the banner to go', async () => (await ann.page.$('[data-testid="reconnecting"]')) === null, 60_000);
  await ann.seesMoving('Bob');
  await bob.seesMoving('Ann');
});

test('a shared screen is announced in its place until its first picture is there', { timeoutMs: 120_000 }, async (t) => {
  const { ann, bob } = await meet(t, 'Chromium', 'Chromium');
  await ann.page.evaluate(() => {
    window.bare = 0;
    const look = () => {
      const tile = document.querySelector('[data-testid="tile"][data-source="screen_share"]');
      if (tile && tile.querySelector('video').videoWidth === 0 && !tile.textContent.includes('screen is coming')) window.bare++;
      requestAnimationFrame(look);
    };
    look();
  });
  await ann.page.bringToFront();
  await bob.click('share-screen');
  await ann.seesMoving('Bob', { source: 'screen_share', minChange: 0.001, gapMs: 3000 });
  checkEqual(await ann.page.evaluate(() => window.bare), 0, 'frames in which the place of the screen was empty');
  checkEqual(await ann.page.$('[data-testid="screen-coming"]'), null, 'the word over the picture');
});
