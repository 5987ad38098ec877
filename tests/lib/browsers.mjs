// Starts Chromium and Firefox with fake devices that show a known picture and play a known tone.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import { unseenScreen } from './screen.mjs';
import { until } from './runner.mjs';
import { silentOutput } from './sound.mjs';

const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const firefoxPath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

const WIDTH = 1280;
const HEIGHT = 720;
const FRAMES = 30;

/** Raw video of one colour with a bar that moves across: `luma`, `cb`, `cr` are the background. */
function writeVideo(file, { luma, cb, cr }) {
  const header = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F30:1 Ip A1:1 C420jpeg\n`);
  const chunks = [header];
  for (let frame = 0; frame < FRAMES; frame++) {
    const y = Buffer.alloc(WIDTH * HEIGHT, luma);
    const left = Math.floor((frame / FRAMES) * (WIDTH - 160));
    for (let row = 0; row < HEIGHT; row++) y.fill(235, row * WIDTH + left, row * WIDTH + left + 160);
    chunks.push(Buffer.from('FRAME\n'), y);
    chunks.push(Buffer.alloc((WIDTH / 2) * (HEIGHT / 2), cb), Buffer.alloc((WIDTH / 2) * (HEIGHT / 2), cr));
  }
  fs.writeFileSync(file, Buffer.concat(chunks));
}

/** A tone of `hertz`, on and off twice a second so that noise suppression does not take it for hum. */
function writeTone(file, hertz) {
  const rate = 48000;
  const samples = rate * 2;
  const data = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i++) {
    const on = i % (rate / 2) < rate / 3;
    data.writeInt16LE(on ? Math.round(12000 * Math.sin((2 * Math.PI * hertz * i) / rate)) : 0, i * 2);
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  fs.writeFileSync(file, Buffer.concat([header, data]));
}

// Two people who can be told apart by eye and ear. Full-range BT.601; rgb is what a screen shows.
export const looks = {
  red: { luma: 76, cb: 85, cr: 255, rgb: [254, 0, 0], hertz: 500 },
  blue: { luma: 29, cb: 255, cr: 107, rgb: [0, 0, 254], hertz: 900 },
};

function mediaFiles(look) {
  const dir = path.join(os.tmpdir(), `conclave-looks-${process.pid}`);
  fs.mkdirSync(dir, { recursive: true });
  const video = path.join(dir, `${look}.y4m`);
  const audio = path.join(dir, `${look}.wav`);
  if (!fs.existsSync(video)) {
    writeVideo(video, looks[look]);
    writeTone(audio, looks[look].hertz);
    process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
  }
  return { video, audio };
}

async function closeBrowser(browser, profile) {
  const child = browser.process();
  await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, 5000))]).catch(() => {});
  if (child && child.exitCode === null && child.signalCode === null) {
    // what is left of it would take the machine from the next test
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

const CHROMIUM_FAKES = {
  ui: ['--use-fake-ui-for-media-stream'],
  devices: (video, audio) => [
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${video}`,
    `--use-file-for-fake-audio-capture=${audio}`,
  ],
};

/**
 * `video` names a y4m file to show instead of the look's own picture. `devices: false` is a machine without camera and
 * microphone; `asks: true` is a browser that asks before it gives them, as people's do.
 */
export async function chromium(t, { look = 'red', args = [], video: picture, devices = true, asks = false } = {}) {
  const { video: ownPicture, audio } = mediaFiles(look);
  const video = picture ?? ownPicture;
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-chromium-'));
  const browser = await puppeteer.launch({
    executablePath: chromiumPath,
    headless: true,
    userDataDir: profile,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
      '--disable-background-timer-throttling',
      '--disable-renderer-backgrounding',
      '--disable-backgrounding-occluded-windows',
      '--autoplay-policy=document-user-activation-required',
      ...(devices ? CHROMIUM_FAKES.devices(video, audio) : []),
      ...(asks ? [] : CHROMIUM_FAKES.ui),
      '--auto-accept-this-tab-capture',
      '--auto-select-desktop-capture-source=Entire screen',
      '--window-size=1280,800',
      ...args,
    ],
    defaultViewport: { width: 1280, height: 800 },
  });
  t.defer(() => closeBrowser(browser, profile));
  return browser;
}

/** `screen` gives it a window on a screen that it can share. */
export async function firefox(t, { prefs = {}, screen = false } = {}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-firefox-'));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: firefoxPath,
    headless: !screen,
    userDataDir: profile,
    args: ['--width=1280', '--height=800'],
    env: { ...process.env, ...(await silentOutput()), ...(screen ? await unseenScreen() : {}), HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.getusermedia.insecure.enabled': false,
      'media.getdisplaymedia.prefer-current-tab': true,
      'media.peerconnection.ice.loopback': true,
      'media.autoplay.blocking_policy': 0,
      'media.autoplay.default': 0,
      'media.autoplay.block-webaudio': false,
      'media.gmp-manager.updateEnabled': false,
      'app.update.enabled': false,
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
      ...prefs,
    },
    defaultViewport: null,
  });
  t.defer(() => closeBrowser(browser, profile));
  return browser;
}

/** On a busy machine puppeteer now and then hands out a page whose frames it does not know yet, and refuses to use it. */
async function openPage(browser) {
  const page = await browser.newPage();
  await until('the page to have its main frame', () => {
    try {
      return page.mainFrame();
    } catch {
      return null;
    }
  });
  return page;
}

/** A new page whose console errors and exceptions are collected in page.problems. */
export async function newPage(browser, url) {
  const page = await openPage(browser);
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error?.message ?? error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  if (url) await page.goto(url, { waitUntil: 'domcontentloaded' });
  return page;
}
