// Walks a browser through the client against the loopback meeting (loopback.ts): everything a person does, without a
// server. node dev/loopback_check.mjs, after npm ci here and in dev/; CHROMIUM names the browser (/usr/bin/chromium).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

const here = path.dirname(fileURLToPath(import.meta.url));
const work = mkdtempSync(path.join(tmpdir(), 'conclave-loopback-'));
const port = 8095;
const base = `http://localhost:${port}`;
const id = (name) => `[data-testid=${name}]`;
const tile = (who) => `[data-testid=tile][data-identity=${who}]`;
let failures = 0;

/** Two seconds of a wavering tone: what the fake microphone hears. */
function writeSpeech(file) {
    const count = 48000 * 2;
    const wav = Buffer.alloc(44 + count * 2);
    wav.write('RIFF');
    wav.writeUInt32LE(36 + count * 2, 4);
    wav.write('WAVEfmt ', 8);
    wav.writeUInt32LE(16, 16);
    [1, 1].forEach((value, i) => wav.writeUInt16LE(value, 20 + 2 * i));
    [48000, 96000].forEach((value, i) => wav.writeUInt32LE(value, 24 + 4 * i));
    [2, 16].forEach((value, i) => wav.writeUInt16LE(value, 32 + 2 * i));
    wav.write('data', 36);
    wav.writeUInt32LE(count * 2, 40);
    for (let i = 0; i < count; i++) {
        const wave = Math.sin((i * 2 * Math.PI * 220) / 48000) * (0.6 + 0.4 * Math.sin((i * 2 * Math.PI * 3) / 48000));
        wav.writeInt16LE(Math.round(9000 * wave), 44 + 2 * i);
    }
    writeFileSync(file, wav);
}

function run(script, ...args) {
    return new Promise((done, failed) => {
        const child = spawn(process.execPath, [path.join(here, script), ...args], { stdio: 'inherit' });
        child.on('exit', (code) => (code === 0 ? done() : failed(new Error(`${script}: ${code}`))));
    });
}

class Walk {
    constructor(page) {
        this.page = page;
    }

    async expect(what, condition, argument, timeout = 10000) {
        const met = await this.page.waitForFunction(condition, { timeout, polling: 50 }, argument).then(
            () => true,
            () => false,
        );
        if (!met) failures++;
        console.log(met ? 'ok    ' : 'FAILED', what);
    }

    shows(what, selector, timeout) {
        return this.expect(what, (s) => document.querySelector(s) !== null, selector, timeout);
    }

    lacks(what, selector, timeout) {
        return this.expect(what, (s) => document.querySelector(s) === null, selector, timeout);
    }

    plays(what, selector) {
        return this.expect(
            what,
            (s) => document.querySelector(s)?.videoWidth > 0,
            `${selector} video, video${selector}`,
        );
    }

    click(name) {
        return this.page.click(id(name));
    }

    async join() {
        await this.page.goto(`${base}/m/loopbackmeeting`);
        await this.plays('the preview shows the camera', id('prejoin-preview'));
        await this.click('prejoin-join');
        await this.plays('Echo is seen', tile('echo'));
    }
}

async function entry(w) {
    await w.page.goto(base);
    await w.page.waitForSelector(id('start-meeting'));
    await w.click('start-meeting');
    await w.plays('the preview shows the camera', id('prejoin-preview'));
    await w.click('prejoin-join');
    await w.shows('a missing name is asked for', '#name[aria-invalid=true]');
    await w.page.type(id('prejoin-name'), 'Ann');
    await w.click('prejoin-join');
    await w.shows('the meeting opens', id('meeting'));
    await w.plays('Echo is seen', tile('echo'));
    await w.expect(
        'the first picture is marked',
        () => performance.getEntriesByName('conclave:first-remote-frame').length > 0,
    );
    await w.expect('Echo is heard', () => document.querySelector('audio[data-identity=echo]')?.paused === false);
}

async function ownDevices(w) {
    await w.click('toggle-mic');
    await w.shows('others see the mute', `${tile('echo')}[data-muted=true]`);
    await w.shows('speaking while muted is noticed', id('speaking-muted'));
    await w.page.keyboard.down('Control');
    await w.page.keyboard.press('d');
    await w.page.keyboard.up('Control');
    await w.shows('the shortcut unmutes', `${tile('echo')}[data-muted=false]`);
    await w.click('toggle-camera');
    await w.shows('others see the camera off', `${tile('echo')}[data-video=false]`);
    await w.click('toggle-camera');
    await w.shows('others see the camera on', `${tile('echo')}[data-video=true]`);
    for (let i = 0; i < 7; i++) await w.click('toggle-mic');
    await w.shows('seven presses end muted', `${id('toggle-mic')}[aria-pressed=false]`);
    await w.shows('for the others too', `${tile('echo')}[data-muted=true]`);
    await w.click('toggle-mic');
}

async function chatAndPeople(w) {
    await w.click('open-chat');
    await w.expect('the chat has the focus', () => document.activeElement?.dataset.testid === 'chat-input');
    await w.page.type(id('chat-input'), 'see https://example.org/x.');
    await w.page.keyboard.press('Enter');
    await w.shows('a message is sent', `${id('chat-message')}[data-from=self][data-state=sent]`);
    await w.shows(
        'and answered, with its link',
        `${id('chat-message')}[data-from=echo] a[href="https://example.org/x"]`,
    );
    await w.page.keyboard.press('Escape');
    await w.expect('the focus returns', () => document.activeElement?.dataset.testid === 'open-chat');
    await w.click('open-people');
    await w.expect('two people are listed', () => document.querySelectorAll('[data-testid=people-row]').length === 2);
    await w.click('open-people');
    await w.page.evaluate(() => window.loopback.speak('PA_echo'));
    await w.shows('who speaks is marked', `${tile('echo')}[data-speaking=true]`);
}

async function sharing(w) {
    await w.click('share-screen');
    await w.plays('a shared screen takes the stage', '.stage [data-source=screen_share]');
    await w.page.click(`${id('own-share')} button`);
    await w.lacks('and leaves it', '.stage');
}

async function reconnecting(w) {
    await w.page.evaluate(() => window.loopback.drop(true));
    await w.shows('a lost connection is told at once', id('reconnecting'));
    await w.click('toggle-mic');
    await w.shows('muting works meanwhile', `${tile('self')}[data-muted=true]`, 1500);
    await w.shows('people stay in their places', tile('echo'));
    await w.page.evaluate(() => {
        window.loopback.refusing = false;
    });
    await w.lacks('the connection comes back', id('reconnecting'), 30000);
    await w.shows('still muted', `${id('toggle-mic')}[aria-pressed=false]`);
    await w.plays('Echo is seen again', tile('echo'));
}

async function endings(w) {
    const reasons = { removed: 4, ended: 5, elsewhere: 2, shutdown: 3 };
    for (const [page, reason] of Object.entries(reasons)) {
        await w.page.evaluate((r) => window.loopback.leave(r), reason);
        await w.shows(`the page “${page}”`, `${id('ended-page')}[data-reason=${page}]`);
        await w.join();
    }
    await w.click('leave');
    await w.shows('the page “left”', `${id('ended-page')}[data-reason=left]`);
    await w.click('rejoin');
    await w.plays('back to the preview', id('prejoin-preview'));
    await w.page.evaluate(() => {
        window.loopback.refusing = true;
    });
    await w.click('prejoin-join');
    await w.expect(
        'a failed attempt is explained',
        () => document.querySelector('[data-testid=prejoin-error]')?.textContent !== '',
        null,
        30000,
    );
    await w.plays('and the preview is still there', id('prejoin-preview'));
    await w.page.evaluate(() => {
        window.loopback.refusing = false;
    });
    await w.click('prejoin-join');
    await w.plays('the next attempt works', tile('echo'));
    await w.page.evaluate(() => window.loopback.drop(true));
    await w.shows('the page “lost”', `${id('ended-page')}[data-reason=lost]`, 120000);
    await w.page.evaluate(() => {
        window.loopback.refusing = false;
    });
    await w.click('rejoin');
    await w.plays('rejoining leads straight back', tile('echo'));
}

const bundle = path.join(work, 'bundle');
const speech = path.join(work, 'speech.wav');
writeSpeech(speech);
await run('loopback.mjs', bundle);
const server = spawn(process.execPath, [path.join(here, 'serve.mjs'), String(port), bundle], { stdio: 'ignore' });
const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    userDataDir: path.join(work, 'profile'),
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--use-fake-device-for-media-stream',
        '--use-fake-ui-for-media-stream',
        '--auto-select-desktop-capture-source=Entire screen',
        `--use-file-for-fake-audio-capture=${speech}`,
    ],
});
try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 800 });
    page.on('pageerror', (error) => {
        failures++;
        console.log('FAILED page error:', error.message);
    });
    page.on('console', (message) => {
        if (!message.text().includes('Content Security Policy')) return;
        failures++;
        console.log('FAILED policy:', message.text());
    });
    const walk = new Walk(page);
    for (const part of [entry, ownDevices, chatAndPeople, sharing, reconnecting, endings]) await part(walk);
} finally {
    await browser.close();
    server.kill();
    rmSync(work, { recursive: true, force: true });
}
console.log(failures === 0 ? 'everything works' : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
