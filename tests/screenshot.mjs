// Makes the picture of a meeting in the README: four people, real browsers, the real server. The people are drawn.
//   node screenshot.mjs ../docs/img/meeting.png
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from './lib/browsers.mjs';
import { arrive } from './lib/meeting.mjs';
import { startServer } from './lib/server.mjs';
import { sleep, until } from './lib/runner.mjs';

const W = 1280;
const H = 720;

const clamp = (value) => Math.max(0, Math.min(255, Math.round(value)));

/** A head and shoulders before a soft background, as one frame of full-range YUV 4:2:0 that sways a little. */
function drawFrame({ wall, skin, hair, shirt }, phase) {
  const rgbAt = (x, y) => {
    const cx = W / 2 + 14 * Math.sin(phase);
    const head = ((x - cx) / 135) ** 2 + ((y - 300) / 170) ** 2;
    const hairShape = ((x - cx) / 160) ** 2 + ((y - 255) / 175) ** 2;
    const body = ((x - cx) / 360) ** 2 + ((y - 760) / 290) ** 2;
    const neck = Math.abs(x - cx) < 62 && y > 400 && y < 540;
    const light = 1.1 - 0.25 * (y / H) - 0.12 * (Math.abs(x - W / 3) / W);
    if (hairShape < 1 && y < 235 + 20 * Math.cos(x / 40)) return hair.map((c) => c * light);
    if (head < 1) return skin.map((c) => c * (1.12 - 0.3 * head));
    if (hairShape < 1 && y < 330) return hair;
    if (body < 1) return shirt.map((c) => c * (1.1 - 0.3 * body));
    if (neck) return skin.map((c) => c * 0.86);
    const shelf = y % 240 < 14 && x > W * 0.68 ? 0.75 : 1;
    return wall.map((c) => c * light * shelf);
  };
  const luma = Buffer.alloc(W * H);
  const cb = Buffer.alloc((W * H) / 4);
  const cr = Buffer.alloc((W * H) / 4);
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      const [r, g, b] = rgbAt(x, y);
      luma[y * W + x] = clamp(0.299 * r + 0.587 * g + 0.114 * b);
      if (y % 2 === 0 && x % 2 === 0) {
        const at = (y / 2) * (W / 2) + x / 2;
        cb[at] = clamp(128 - 0.169 * r - 0.331 * g + 0.5 * b);
        cr[at] = clamp(128 + 0.5 * r - 0.419 * g - 0.081 * b);
      }
    }
  }
  return Buffer.concat([Buffer.from('FRAME\n'), luma, cb, cr]);
}

function drawVideo(file, person) {
  const frames = Array.from({ length: 6 }, (_, i) => drawFrame(person, (i / 6) * 2 * Math.PI));
  fs.writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${W} H${H} F6:1 Ip A1:1 C420jpeg\n`), ...frames]));
}

const people = {
  'Amara Okafor': { wall: [196, 210, 205], skin: [141, 85, 54], hair: [35, 26, 22], shirt: [36, 94, 122] },
  'Jonas Weber': { wall: [214, 201, 184], skin: [232, 186, 152], hair: [110, 76, 44], shirt: [70, 74, 84] },
  'Mei Tanaka': { wall: [186, 196, 214], skin: [238, 203, 168], hair: [24, 22, 26], shirt: [158, 64, 76] },
  'Luca Ferri': { wall: [205, 214, 190], skin: [214, 160, 120], hair: [60, 44, 36], shirt: [44, 110, 84] },
};

const undo = [];
const t = { defer: (f) => undo.push(f), note: console.log };
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-picture-'));
try {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const all = [];
  for (const [name, person] of Object.entries(people)) {
    const video = path.join(dir, `${all.length}.y4m`);
    drawVideo(video, person);
    all.push(await arrive(await chromium(t, { look: 'red', video }), server.pageUrl + link, name));
  }
  const [first, second, third] = all;
  await until('the second microphone to be on', () => second.pressed('toggle-mic'));
  await second.click('toggle-mic');
  await until('the first to see the mute', async () => (await first.tileOf('Jonas')).muted === 'true');
  await first.click('open-chat');
  for (const [who, words] of [[second, 'The draft is in the folder, section 3 is new.'], [third, 'Thank you. Five minutes each?']]) {
    await who.click('open-chat');
    await who.page.type('[data-testid="chat-input"]', words);
    await who.click('chat-send');
  }
  for (const name of Object.keys(people).slice(1)) await first.seesMoving(name, { minChange: 0.001, gapMs: 400 });
  await first.page.evaluate(() => document.activeElement?.blur());
  await sleep(9000); // notices go away by themselves
  await first.page.screenshot({ path: process.argv[2] });
} finally {
  for (const f of undo.reverse()) await f(null);
  fs.rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
