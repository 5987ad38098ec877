// Every control can be reached and hit at every size of a window: phones upright and on their side, a window at 400 %, a large screen.
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

const WIDTHS = [320, 359, 360, 390, 419, 420, 480, 568, 639, 640, 641, 700, 720, 721, 799, 800, 801, 844, 1024, 1280, 1400];
const HEIGHTS = [256, 320, 390, 480, 481, 640, 900];

const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function resize(page, width, height) {
  await page.setViewport({ width, height });
  await until('the window to have its size', () => page.evaluate((w, h) => innerWidth === w && innerHeight === h, width, height));
  await settled(page);
}

/** Asked in the page: what of `root` cannot be brought on the screen, is covered there, or is too small to hit (WCAG 2.5.8). */
function faultsOf(root) {
  const SMALLEST_PX = 24;
  const found = [];
  const place = document.querySelector(root);
  if (!place) return [`there is no ${root}`];
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  const controls = place.querySelectorAll('button, a[href], input:not([hidden]), select, textarea, [role^="menuitem"], summary');
  for (const one of controls) {
    if (one.getClientRects().length === 0 || getComputedStyle(one).visibility === 'hidden') continue;
    const name = one.dataset.testid ?? one.getAttribute('aria-label') ?? one.textContent.trim().slice(0, 30);
    one.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    for (let above = one.parentElement; above; above = above.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(above);
      // scripts can scroll what people cannot
      if ((above.scrollTop !== 0 && /hidden|clip/.test(overflowY)) || (above.scrollLeft !== 0 && /hidden|clip/.test(overflowX))) {
        found.push(`${name} is cut off by .${above.className}`);
        above.scrollTop = 0;
        above.scrollLeft = 0;
      }
    }
    const box = one.getBoundingClientRect();
    if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1) {
      found.push(`${name} is off the screen: ${[box.left, box.top, box.right, box.bottom].map(Math.round)}`);
      continue;
    }
    // a link in a line of text may be as high as the line; the label of a box to tick is its target, too
    const target = one.closest('label.check')?.getBoundingClientRect() ?? box;
    if (getComputedStyle(one).display !== 'inline' && (target.width < SMALLEST_PX || target.height < SMALLEST_PX)) {
      found.push(`${name} is ${Math.round(target.width)} x ${Math.round(target.height)} px`);
    }
    const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    // what is said for a moment, such as a weak connection of a busy machine, may be in the way and goes
    if (hit?.closest('.banner, .toast')) continue;
    if (hit && !one.contains(hit) && !hit.contains(one)) found.push(`${name} is covered by ${hit.className || hit.tagName}`);
  }
  return found;
}

async function sweep(page, what, root, found, widths = WIDTHS, heights = HEIGHTS) {
  for (const width of widths) {
    for (const height of heights) {
      await resize(page, width, height);
      const faults = await page.evaluate(faultsOf, root);
      for (const fault of faults) {
        const known = found.find((one) => one.what === what && one.fault === fault);
        if (known) known.sizes++;
        else found.push({ what, fault, first: `${width} x ${height}`, sizes: 1 });
      }
    }
  }
}

/** The tests' ids of what may leave the bar, and the words of it in the menu. */
const MOVABLE = { 'share-screen': 'Share your screen', 'toggle-hand': 'Raise your hand', 'open-reactions': 'Applause' };
const FIXED = ['toggle-mic', 'toggle-camera', 'open-chat', 'open-people', 'open-security', 'open-more', 'leave'];

async function barOrMenu(page, width) {
  const inBar = await page.$$eval('.bar [data-testid]', (all) => all.filter((one) => one.getClientRects().length > 0).map((one) => one.dataset.testid));
  await page.click('[data-testid="open-more"]');
  const menu = await page.waitForSelector('[role="menu"]').then((one) => one.evaluate((element) => element.textContent));
  await page.keyboard.press('Escape');
  await page.waitForSelector('[role="menu"]', { hidden: true });
  const lost = [
    ...FIXED.filter((id) => !inBar.includes(id)),
    ...Object.entries(MOVABLE).filter(([id, words]) => inBar.includes(id) === menu.includes(words)).map(([id]) => id),
  ];
  return lost.map((id) => `${id} is not in either bar or menu, or in both, at ${width} px`);
}

async function meeting(t, browser) {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const ann = await arrive(browser, server.pageUrl + path, 'Ann');
  await arrive(browser, server.pageUrl + path, 'Bob');
  await ann.page.bringToFront();
  await ann.tileOf('Bob');
  return ann;
}

test('every control is in the bar or in the menu at every width, and can be hit at every size', { timeoutMs: 300_000 }, async (t) => {
  const ann = await meeting(t, await chromium(t));
  const { page } = ann;
  const found = [];
  for (let width = 320; width <= 1400; width += width % 20 === 0 && width < 900 ? 19 : width < 900 ? 1 : 100) {
    await resize(page, width, 640);
    found.push(...(await barOrMenu(page, width)));
  }
  await sweep(page, 'the bar', '.bar', found);
  await sweep(page, 'the stage', '.meeting-view', found);
  checkEqual(found, [], 'faults');
});

test('what a panel, a menu or a dialog holds can be reached at every size', { timeoutMs: 300_000 }, async (t) => {
  const ann = await meeting(t, await chromium(t));
  const { page } = ann;
  const found = [];
  for (const panel of ['chat', 'people', 'security']) {
    await ann.click(`open-${panel}`);
    await sweep(page, panel, '.side-panel', found);
    await resize(page, 1280, 800);
  }
  await ann.click('open-security');
  for (const opener of ['open-more', 'open-reactions']) {
    await ann.click(opener);
    await page.waitForSelector('[role="menu"]');
    await sweep(page, opener, '[role="menu"]', found, opener === 'open-more' ? WIDTHS : WIDTHS.filter((width) => width > 800));
    await page.keyboard.press('Escape');
    await resize(page, 1280, 800);
  }
  await ann.click('open-more');
  await ann.click('open-devices');
  await sweep(page, 'devices', 'dialog[open]', found);
  checkEqual(found, [], 'faults');
});

test('the pages before a meeting can be used at every size', { timeoutMs: 200_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const page = await newPage(await chromium(t), server.pageUrl + '/');
  const ann = new Person(page, 'Ann');
  const found = [];
  await ann.shows('landing');
  await sweep(page, 'landing', 'body', found);
  await page.goto(server.pageUrl + path);
  await ann.shows('prejoin');
  await sweep(page, 'pre-join', 'body', found);
  checkEqual(found, [], 'faults');
});

test('Firefox, too, has every control in the bar or in the menu', { timeoutMs: 200_000 }, async (t) => {
  const ann = await meeting(t, await firefox(t));
  const { page } = ann;
  const found = [];
  for (const width of [320, 359, 420, 640, 641, 720, 721, 1280]) {
    await resize(page, width, 640);
    found.push(...(await barOrMenu(page, width)));
  }
  await sweep(page, 'the bar', '.bar', found, [320, 640, 721, 1280], [256, 480, 900]);
  await ann.click('open-chat');
  await sweep(page, 'chat', '.side-panel', found, [320, 568, 844, 1280], [256, 320, 390, 900]);
  checkEqual(found, [], 'faults');
});

/** How high the part of the chat is in which messages are read, with the field for one's own on the screen. */
const roomToRead = (page) => page.evaluate(() => {
  const field = document.querySelector('[data-testid="chat-input"]').getBoundingClientRect();
  const list = document.querySelector('.chat-list').getBoundingClientRect();
  const panel = document.querySelector('.side-panel').getBoundingClientRect();
  const fills = innerWidth > 800 || Math.round(panel.width) === innerWidth;
  return { list: Math.round(list.height), field: field.top >= 0 && field.bottom <= innerHeight, fills };
});

test('on a phone held sideways messages have room beside the field to answer', { timeoutMs: 90_000 }, async (t) => {
  const ann = await meeting(t, await chromium(t));
  await ann.click('open-chat');
  for (const [width, height, least] of [[568, 320, 120], [844, 390, 120], [667, 375, 120]]) {
    await resize(ann.page, width, height);
    const room = await roomToRead(ann.page);
    check(room.field && room.fills && room.list >= least, `${width} x ${height}: ${JSON.stringify(room)}`);
  }
});

test('a note of a message goes when the chat is opened, and covers nothing that is written there', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { path } = await server.newMeeting();
  const browser = await chromium(t);
  const ann = await arrive(browser, server.pageUrl + path, 'Ann');
  const bob = await arrive(browser, server.pageUrl + path, 'Bob');
  await bob.click('open-chat');
  await ann.page.bringToFront();
  await resize(ann.page, 390, 844);
  await bob.page.bringToFront();
  await bob.page.type('[data-testid="chat-input"]', 'Can you hear me?');
  await bob.click('chat-send');
  await ann.page.bringToFront();
  const noted = () => ann.page.$$eval('.toast', (all) => all.some((one) => one.textContent.includes('Can you hear me?')));
  await until('the note', noted);
  await ann.click('open-chat');
  await ann.shows('chat-message');
  checkEqual(await noted(), false, 'the note is still there');
  const covered = await ann.page.$$eval('[data-testid="chat-message"], .chat-foot *', (all) => {
    const toasts = [...document.querySelectorAll('.toast')].map((toast) => toast.getBoundingClientRect());
    return all.map((one) => one.getBoundingClientRect()).some((box) =>
      toasts.some((toast) => toast.bottom > box.top && toast.top < box.bottom && toast.right > box.left && toast.left < box.right));
  });
  check(!covered, 'nothing written is covered');
});

test('the stage shows most of a picture after the phone was turned', { timeoutMs: 120_000 }, async (t) => {
  const ann = await meeting(t, await chromium(t));
  const { page } = ann;
  // one's own, whose size does not follow that of its place
  await page.$eval('[data-local="true"] .tile-pin', (pin) => pin.click());
  await page.waitForSelector('.stage .tile[data-local="true"][data-video="true"]');
  const shown = () => page.$eval('.stage video', (video) => {
    const { clientWidth: w, clientHeight: h, videoWidth: vw, videoHeight: vh } = video;
    if (vw === 0) return 0;
    if (getComputedStyle(video).objectFit === 'contain') return 1;
    const scale = Math.max(w / vw, h / vh);
    return (w * h) / (vw * scale * vh * scale);
  });
  for (const [width, height] of [[844, 390], [390, 844], [320, 700], [844, 390]]) {
    await resize(page, width, height);
    await until(`most of the picture at ${width} x ${height}`, async () => (await shown()) > 0.42, 5000);
  }
});
