// Two people meet: every pairing of browsers.
import { chromium, firefox, looks } from '../lib/browsers.mjs';
import { arrive } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { watchVideo } from '../lib/observe.mjs';

const openers = {
  Chromium: (t, look) => chromium(t, { look }),
  Firefox: (t) => firefox(t),
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

async function leaves(ann, bob) {
  await ann.click('leave');
  await ann.shows('ended-page');
  await until('Ann to be gone', async () => !(await bob.tiles()).some((tile) => tile.text.includes('Ann')));
}

for (const [first, second] of [['Chromium', 'Chromium'], ['Chromium', 'Firefox'], ['Firefox', 'Firefox']]) {
  test(`${first} and ${second} see, hear, write to each other, mute and leave`, { timeoutMs: 180_000 }, async (t) => {
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
    await leaves(ann, bob);
    for (const person of [ann, bob]) checkEqual(person.page.problems, [], `errors in ${person.name}'s console`);
  });
}

test('a shared screen takes the stage at the other side', { timeoutMs: 120_000 }, async (t) => {
  const { ann, bob } = await meet(t, 'Chromium', 'Chromium');
  await ann.click('share-screen');
  const { identity } = await bob.tileOf('Ann', 'screen_share');
  const picture = await until('Bob to see the screen', async () => {
    const seen = await watchVideo(bob.page, `[data-testid="tile"][data-identity="${identity}"][data-source="screen_share"] video`);
    return seen?.width > 0 && seen;
  }, 30_000);
  t.note(`the shared screen arrived as ${picture.width} x ${picture.height}`);
  const area = (source) => bob.page.$$eval(`[data-testid="tile"][data-source="${source}"]`, (tiles) =>
    Math.max(...tiles.map((tile) => tile.getBoundingClientRect().width * tile.getBoundingClientRect().height)));
  check((await area('screen_share')) > (await area('camera')), 'the screen is the largest tile');
  await ann.click('share-screen');
  await until('the screen to go', async () => !(await bob.tiles()).some((tile) => tile.source === 'screen_share'));
});

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

test('someone without camera and microphone can join, see and be seen in the list', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const withDevices = await chromium(t, { look: 'red' });
  const ann = await arrive(withDevices, server.pageUrl + path, 'Ann');
  const without = await chromium(t, { look: 'blue' });
  const page = await without.newPage();
  await page.evaluateOnNewDocument(() => {
    navigator.mediaDevices.enumerateDevices = async () => [];
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('Requested device not found', 'NotFoundError');
    };
  });
  await page.close();
  const context = await without.createBrowserContext();
  const bare = await context.newPage();
  bare.problems = [];
  await bare.evaluateOnNewDocument(() => {
    navigator.mediaDevices.enumerateDevices = async () => [];
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('Requested device not found', 'NotFoundError');
    };
  });
  await bare.goto(server.pageUrl + path);
  const { Person } = await import('../lib/meeting.mjs');
  const cara = new Person(bare, 'Cara');
  await cara.join();
  await cara.seesMoving('Ann', { rgb: looks.red.rgb });
  await ann.click('open-people');
  await until('Cara to be in the list', () =>
    ann.page.$$eval('[data-testid="people-row"]', (rows) => rows.some((row) => row.textContent.includes('Cara'))));
});
