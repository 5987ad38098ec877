// What people see of the encryption, and what they say to each other through the group.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium, newPage } from '../lib/browsers.mjs';
import { arrive, Person } from '../lib/meeting.mjs';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

/** Three in one browser, without pictures: it is what they say to each other that counts here. Ann made the meeting. */
async function three(t) {
  const server = await startServer(t);
  const { path: link, hostPath } = await server.newMeeting();
  const url = server.pageUrl + link;
  const browser = await chromium(t);
  const people = [];
  for (const name of ['Ann', 'Bob', 'Cem']) {
    const opened = name === 'Ann' ? server.pageUrl + hostPath : url;
    people.push(await arrive(await browser.createBrowserContext(), opened, name, { camera: false }));
  }
  return { server, url, people };
}

const panel = async (person) => {
  await person.page.bringToFront();
  if (!(await person.page.$('[data-testid="panel-security"]'))) await person.click('open-security');
  await person.shows('panel-security');
};
const digits = (person) => person.page.$eval('[data-testid="security-code"]', (code) => code.dataset.digits);
const standing = (person) => person.page.$eval('[data-testid="security-standing"]', (line) => line.dataset.standing);
const members = (person) => person.page.$$eval('[data-testid="security-person"]', (all) => all.length);

test('everybody reads the same security code, and it changes when somebody comes', { timeoutMs: 120_000 }, async (t) => {
  const { url, people } = await three(t);
  for (const person of people) await panel(person);
  for (const person of people) await until('three members', async () => (await members(person)) === 3);
  const codes = async () => Promise.all(people.map(digits));
  const [code] = await until('one code', async () => {
    const all = await codes();
    return /^\d{30}$/.test(all[0]) && all.every((one) => one === all[0]) && all;
  });
  check(/hybrid|X25519|ML-KEM/i.test(await people[0].text('security-suite')), 'the suite is named');
  checkEqual(await standing(people[0]), 'encrypted', 'before anybody compared');
  await people[0].click('compare-all');
  await people[0].click('code-matches');
  await until('Ann to have verified all', async () => (await standing(people[0])) === 'verified');
  people.push(await arrive(await people[0].page.browser().createBrowserContext(), url, 'Dan', { camera: false }));
  await panel(people[3]);
  await people[0].page.bringToFront();
  await until('a new code for all four', async () => {
    const all = await codes();
    return all[0] !== code && all.every((one) => one === all[0]);
  });
  await until('Ann to see that Dan is not verified', async () => (await standing(people[0])) === 'unverified');
});

async function write(person, text, to) {
  await person.page.bringToFront();
  if (!(await person.page.$('[data-testid="panel-chat"]'))) await person.click('open-chat');
  await person.shows('chat-input');
  if (to) {
    const option = await until(`${to} to be in the list`, () => person.page.$$eval('[data-testid="chat-to"] option', (options, name) => {
      const found = options.find((one) => one.textContent.includes(name));
      return found && { value: found.value };
    }, to));
    await person.page.select('[data-testid="chat-to"]', option.value);
  }
  await person.page.type('[data-testid="chat-input"]', text);
  await person.click('chat-send');
}
const messages = (person) => person.page.$$eval('[data-testid="chat-message"]', (all) => all.map((message) => message.textContent));

test('a private message is read by the one it is for and nobody else', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann, bob, cem] } = await three(t);
  for (const person of [bob, cem]) {
    await person.page.bringToFront();
    await person.click('open-chat');
  }
  await write(ann, 'between us', 'Bob');
  await write(ann, 'for all', 'Everyone');
  for (const person of [bob, cem]) await until('what is for all', async () => (await messages(person)).some((text) => text.includes('for all')));
  check((await messages(bob)).some((text) => text.includes('between us') && text.includes('only to you')), 'Bob reads it as private');
  check(!(await messages(cem)).some((text) => text.includes('between us')), 'Cem does not');
});

test('a file arrives as it was, and the server keeps no readable byte of it', { timeoutMs: 120_000 }, async (t) => {
  const { server, people: [ann, bob] } = await three(t);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-file-'));
  t.defer(() => fs.rmSync(dir, { recursive: true, force: true }));
  const content = 'a phrase that nobody else may read. '.repeat(9000);
  fs.writeFileSync(path.join(dir, 'notes.txt'), content);
  await bob.page.bringToFront();
  await bob.click('open-chat');
  await ann.page.bringToFront();
  await ann.click('open-chat');
  const input = await ann.page.waitForSelector('[data-testid="chat-file-input"]');
  await input.uploadFile(path.join(dir, 'notes.txt'));
  await bob.shows('file-save', 30_000);
  const kept = fs.readdirSync(server.dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => fs.readFileSync(path.join(entry.parentPath ?? entry.path, entry.name)));
  check(kept.some((bytes) => bytes.length > content.length), 'the server keeps the ciphertext');
  check(!kept.some((bytes) => bytes.includes('nobody else may read') || bytes.includes('notes.txt')), 'and nothing that can be read');
  await bob.page.bringToFront();
  const session = await bob.page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: dir, browserContextId: bob.page.browserContext().id });
  fs.rmSync(path.join(dir, 'notes.txt'));
  await bob.click('file-save');
  await until('the file to be saved', () => fs.existsSync(path.join(dir, 'notes.txt')) && fs.statSync(path.join(dir, 'notes.txt')).size === content.length);
  check(fs.readFileSync(path.join(dir, 'notes.txt'), 'utf8') === content, 'the same content');
});

/** As pasted: typing so much takes minutes. */
const paste = (person, text) => person.page.$eval('[data-testid="chat-input"]', (field, words) => {
  field.value = words;
  field.dispatchEvent(new Event('input', { bubbles: true }));
}, text);

test('long messages and names of files arrive in every script, and what is too long is said before it is sent', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann, bob] } = await three(t);
  await bob.page.bringToFront();
  await bob.click('open-chat');
  await ann.page.bringToFront();
  await ann.click('open-chat');
  await paste(ann, '漢'.repeat(2700));
  await until('it to be said that the message is too long', () =>
    ann.page.$eval('#chat-hint', (hint) => /^34 characters too long/.test(hint.textContent)));
  check(await ann.page.$eval('[data-testid="chat-send"]', (button) => button.disabled), 'it can be sent all the same');
  await paste(ann, '漢'.repeat(2660));
  await ann.click('chat-send');
  // 90 letters are 270 bytes; families are of 18 bytes and 8 units
  for (const name of ['漢'.repeat(90) + '.txt', '👨\u200d👩\u200d👧'.repeat(20) + '.txt']) {
    await ann.page.$eval('[data-testid="chat-file-input"]', (input, called) => {
      const chosen = new DataTransfer();
      chosen.items.add(new File(['what is in it'], called));
      input.files = chosen.files;
      input.dispatchEvent(new Event('change'));
    }, name);
  }
  await until('all to be sent', () => ann.page.$$eval('[data-testid="chat-message"]', (all) => all.length === 3 && all.every((one) => one.dataset.state === 'sent')), 30_000);
  await bob.page.bringToFront();
  const names = await until('the files at Bob’s', async () => {
    const all = await bob.page.$$eval('[data-testid="chat-file"]', (cards) => cards.map((card) => card.dataset.name));
    return all.length === 2 && all;
  });
  check(/^漢{70,84}…\.txt$/.test(names[0]) && /^(👨\u200d👩\u200d👧){10,13}…\.txt$/u.test(names[1]), `names: ${names}`);
  check((await messages(bob)).some((text) => text.includes('漢'.repeat(2660))), 'the message is whole');
});

test('hands, reactions and the name of the meeting reach the others', { timeoutMs: 120_000 }, async (t) => {
  const { people: [ann, bob] } = await three(t);
  await ann.page.bringToFront();
  await ann.click('toggle-hand');
  await until('Ann’s hand to be up at her own', () => ann.pressed('toggle-hand'));
  await bob.page.bringToFront();
  await bob.shows('hand');
  await ann.page.bringToFront();
  await ann.click('open-reactions');
  await ann.click('react-1');
  await bob.shows('reaction', 4000);
  await ann.click('open-more');
  await ann.click('open-title');
  await ann.page.type('[data-testid="title-input"]', 'Budget');
  await ann.click('title-save');
  await bob.page.bringToFront();
  await until('Bob to read the name', async () => (await bob.text('meeting-title')) === 'Budget');
});

test('a browser without script transforms is encrypted through its encoded streams', { timeoutMs: 120_000 }, async (t) => {
  const server = await startServer(t);
  const { path: link } = await server.newMeeting();
  const url = server.pageUrl + link;
  const page = await newPage(await chromium(t));
  await page.evaluateOnNewDocument(() => {
    delete window.RTCRtpScriptTransform;
    window.streams = 0;
    for (const half of [RTCRtpSender, RTCRtpReceiver]) {
      const real = half.prototype.createEncodedStreams;
      half.prototype.createEncodedStreams = function () {
        window.streams++;
        return real.call(this);
      };
    }
  });
  await page.goto(url);
  const ann = new Person(page, 'Ann');
  await ann.join();
  const bob = await arrive(await chromium(t), url, 'Bob');
  await bob.seesMoving('Ann');
  await bob.hears('Ann');
  await ann.seesMoving('Bob');
  await ann.hears('Bob');
  check((await page.evaluate(() => window.streams)) >= 4, 'encoded streams are in use');
});
