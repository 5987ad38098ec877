// Microphones, cameras and speakers: what is remembered, measured and heard, and what people are told when one fails.
import { chromium, firefox, looks, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { listen } from '../lib/observe.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

const causes = (page) =>
  page.$$eval('[data-testid="prejoin-problem"]', (all) => all.map((problem) => problem.dataset.cause));

/** The pre-join page of a new meeting, in `browser`, with `setUp` done to it before it loads. */
async function prejoin(t, browser, setUp = async () => {}) {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const page = await newPage(browser);
  await setUp(page, server);
  await page.goto(server.pageUrl + path);
  const ann = new Person(page, 'Ann');
  await ann.shows('prejoin');
  return { server, path, page, ann };
}

async function readsWhatIsWrong(page, cause, words) {
  await page.click(`[data-testid="prejoin-problem"][data-cause="${cause}"] button`);
  await page.waitForSelector(`[data-testid="device-problem"] [data-cause="${cause}"]`);
  const text = await page.$eval('[data-testid="device-problem"]', (dialog) => dialog.innerText);
  check(words.test(text), `the dialog says what to do: ${text}`);
  await page.keyboard.press('Escape');
  await until('the focus to be back at the button', () =>
    page.evaluate(() => document.activeElement?.closest('[data-testid]')?.dataset.testid === 'prejoin-problem'));
}

async function deniedInChromium(t) {
  const browser = await chromium(t, { asks: true });
  return prejoin(t, browser, async (_page, server) => {
    const session = await browser.target().createCDPSession();
    for (const name of ['camera', 'microphone']) {
      await session.send('Browser.setPermission', { permission: { name }, setting: 'denied', origin: server.pageUrl });
    }
  });
}

const deniedInFirefox = async (t) =>
  prejoin(t, await firefox(t, {
    prefs: { 'media.navigator.permission.disabled': false, 'permissions.default.camera': 2, 'permissions.default.microphone': 2 },
  }));

for (const [name, open, words] of [
  ['Chromium', deniedInChromium, /icon at the left end of the address bar/],
  ['Firefox', deniedInFirefox, /crossed-out symbol at the left of the address bar/],
]) {
  test(`devices that ${name} forbids are explained, before the meeting and in it, and nobody is kept out`, { timeoutMs: 90_000 }, async (t) => {
    const { page, ann } = await open(t);
    await until('both problems', async () => (await causes(page)).join() === 'denied,denied');
    await readsWhatIsWrong(page, 'denied', words);
    await ann.join();
    await ann.click('toggle-mic');
    await page.waitForSelector('[data-testid="device-problem"] [data-cause="denied"]');
    await page.keyboard.press('Escape');
    await until('the dialog to go', async () => (await page.$('[data-testid="device-problem"]')) === null);
    checkEqual(await ann.pressed('toggle-mic'), false, 'the microphone button is on');
  });
}

test('without camera and microphone one can join, see, hear, and be seen in the list', { timeoutMs: 120_000 }, async (t) => {
  const { server, path, page, ann } = await prejoin(t, await chromium(t, { devices: false }));
  await until('both problems', async () => (await causes(page)).join() === 'not_found,not_found');
  await readsWhatIsWrong(page, 'not_found', /plugged in/);
  await ann.join();
  const bob = await arrive(await chromium(t, { look: 'blue' }), server.pageUrl + path, 'Bob');
  await ann.seesMoving('Bob', { rgb: looks.blue.rgb });
  await ann.hears('Bob', { hertz: looks.blue.hertz });
  await bob.click('open-people');
  await until('Ann to be in the list, without devices', () =>
    bob.page.$$eval('[data-testid="people-row"]', (rows) =>
      rows.some((row) => row.textContent.includes('Ann') && row.dataset.mic === 'off' && row.dataset.camera === 'off')));
});

test('a camera that another program holds is named, and the microphone works without it', { timeoutMs: 90_000 }, async (t) => {
  const { page, ann } = await prejoin(t, await chromium(t), (p) =>
    p.evaluateOnNewDocument(() => {
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (wanted.video) throw new DOMException('Could not start video source', 'NotReadableError');
        return real(wanted);
      };
    }));
  await until('the problem', async () => (await causes(page)).join() === 'in_use');
  await readsWhatIsWrong(page, 'in_use', /Close other programs/);
  await ann.join();
  checkEqual([await ann.pressed('toggle-mic'), await ann.pressed('toggle-camera')], [true, false], 'microphone and camera');
});

/** Keeps every track that the page opens, to see which of them still run. */
const recordTracks = (page) =>
  page.evaluateOnNewDocument(() => {
    window.openedTracks = [];
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await real(wanted);
      window.openedTracks.push(...stream.getTracks());
      return stream;
    };
  });

const running = (page, kind) =>
  page.evaluate((k) => window.openedTracks.filter((track) => track.kind === k && track.readyState === 'live').length, kind);

test('name, devices switched off and appearance are remembered; what is off is not captured', { timeoutMs: 90_000 }, async (t) => {
  const { page, ann } = await prejoin(t, await chromium(t), recordTracks);
  await until('the preview', async () => (await running(page, 'video')) === 1 && (await running(page, 'audio')) === 1);
  await ann.click('prejoin-camera');
  await ann.click('prejoin-mic');
  await until('both to stop', async () => (await running(page, 'video')) + (await running(page, 'audio')) === 0);
  await ann.click('theme-menu');
  await ann.click('theme-dark');
  await ann.join();
  await ann.click('leave');
  await ann.ended('left');
  await page.reload();
  await ann.shows('prejoin');
  checkEqual(await page.$eval('[data-testid="prejoin-name"]', (field) => field.value), 'Ann', 'name');
  checkEqual([await ann.pressed('prejoin-mic'), await ann.pressed('prejoin-camera')], [false, false], 'devices');
  checkEqual(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'appearance');
  checkEqual(await page.evaluate(() => window.openedTracks.length), 0, 'tracks opened');
  checkEqual(await page.evaluate(() => document.cookie), '', 'cookies');
});

test('the meter follows the microphone, and the test tone is heard', { timeoutMs: 60_000 }, async (t) => {
  const { page, ann } = await prejoin(t, await chromium(t), (p) =>
    p.evaluateOnNewDocument(() => {
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function () {
        if (this instanceof HTMLAudioElement) {
          this.id = 'played-tone';
          document.body.append(this);
        }
        return play.call(this);
      };
    }));
  await page.click('[data-testid="prejoin-name"]'); // sound needs a first click
  const level = () => page.$eval('.meter-bar', (bar) => new DOMMatrix(getComputedStyle(bar).transform).a);
  await until('the meter to show the tone', async () => (await level()) > 0.6);
  await ann.click('prejoin-mic');
  await until('the meter to fall', async () => (await level()) < 0.05);
  await ann.click('test-tone');
  const tone = await until('the tone', () => listen(page, '#played-tone', 900));
  check(tone.decibels > -60 && tone.hertz > 500 && tone.hertz < 680, `a tone of 523 or 659 Hz: ${JSON.stringify(tone)}`);
});

/** A microphone that gives nothing, or nothing for the first seconds in the meeting, as one whose owner listens at first may. */
const giveNothing = (page, thenSound) => page.evaluateOnNewDocument((later) => {
  window.notes = [];
  new MutationObserver(() => {
    window.notes.push(...[...document.querySelectorAll('.toast')].map((toast) => toast.textContent).filter((text) => !window.notes.includes(text)));
    if (later && document.querySelector('[data-testid="meeting"]')) setTimeout(() => window.speak(), 3000);
  }).observe(document, { childList: true, subtree: true });
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await real(constraints);
    if (!constraints.audio) return stream;
    const context = new AudioContext();
    window.addEventListener('click', () => void context.resume(), true);
    const [tone, volume, out] = [context.createOscillator(), context.createGain(), context.createMediaStreamDestination()];
    volume.gain.value = 0;
    tone.connect(volume).connect(out);
    tone.start();
    window.speak = () => { volume.gain.value = 0.5; };
    return new MediaStream([...stream.getVideoTracks(), ...out.stream.getAudioTracks()]);
  };
}, thenSound);

test('only a microphone that has given nothing for seconds is called silent', { timeoutMs: 120_000 }, async (t) => {
  const browser = await chromium(t);
  const { server, path, page, ann } = await prejoin(t, browser, (p) => giveNothing(p, true));
  await ann.join();
  const other = await newPage(browser);
  await giveNothing(other, false);
  await other.goto(server.pageUrl + path);
  const bob = new Person(other, 'Bob');
  await bob.join();
  const told = (p) => p.evaluate(() => window.notes.some((note) => note.includes('No sound')));
  // Bob came later: by now Ann would have been told, too
  await until('Bob to be told', () => told(other), 40_000);
  check(!(await told(page)), 'Ann was told that her microphone is silent');
});
