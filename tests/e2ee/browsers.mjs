// The library inside a worker of a page, in Chromium and in Firefox: it starts, three members make a group there with a native one, and
// frames sealed by the C library open in the page and the reverse.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { check, checkEqual, test } from '../lib/runner.mjs';
import { serveFiles } from '../lib/static.mjs';
import { bundle, peerPath, wasmPath } from './library.mjs';
import { NativeMember, NativePeer } from './members.mjs';

const HYBRID = 0xf0a7;

// In the worker: one member a name; bytes travel as hexadecimal text.
const WORKER = `
import * as e2ee from './e2ee.mjs';
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
let module;
const members = {};
const operations = {
  async load() {
    module = await e2ee.Module.load(await (await fetch('./module.wasm')).arrayBuffer(), { aead: e2ee.nobleAead });
    return typeof WorkerGlobalScope !== 'undefined';
  },
  make({ name, suite }) {
    const key = e2ee.generateSignatureKey(module, suite);
    members[name] = { client: new e2ee.Client(module), identity: new e2ee.Identity(module, suite, new TextEncoder().encode(name), key.privateKey) };
  },
  keyPackage: ({ name }) => hex(members[name].client.keyPackage(members[name].identity)),
  async join({ name, welcome }) {
    members[name].group = members[name].client.join(unhex(welcome), undefined, true);
    await e2ee.verifyAll(members[name].group);
  },
  commit({ name, add }) {
    const { group } = members[name];
    const made = group.commit(add ? [group.proposeAdd(unhex(add))] : [], { tree: true });
    group.confirm();
    return { commit: hex(made.commit), welcome: hex(made.welcome) };
  },
  process({ name, message }) {
    const got = members[name].group.process(unhex(message));
    if (got.kind === 'commit') members[name].group.apply();
    return new TextDecoder().decode(got.data);
  },
  protect: ({ name, text }) => hex(members[name].group.protect(new TextEncoder().encode(text))),
  state: ({ name }) => {
    const { group } = members[name];
    return { epoch: Number(group.epoch), leaf: group.ownLeaf, authenticator: hex(group.epochAuthenticator), unverified: group.verifyLeft };
  },
  frames({ name }) {
    const m = members[name];
    const key = m.group.export('SFrame 1.0 Base Key', new Uint8Array(0), 32);
    m.sealer = new e2ee.FrameSealer(module);
    m.opener = new e2ee.FrameOpener(module);
    m.sealer.install(m.group.epoch, m.group.ownLeaf, key);
    m.opener.install(m.group.epoch, m.group.ownLeaf, key);
  },
  seal: async ({ name, context, info, frame }) => hex(await members[name].sealer.seal(context, info, unhex(frame))),
  open: async ({ name, leaf, info, frame }) => hex(await members[name].opener.open(leaf, info, unhex(frame))),
};
onmessage = async ({ data: { id, op, args } }) => {
  try {
    postMessage({ id, ok: await operations[op](args ?? {}) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
`;

const PAGE = `<!doctype html><title>e2ee</title><script type="module">
const worker = new Worker('./worker.mjs', { type: 'module' });
const waiting = new Map();
let next = 0;
worker.onmessage = ({ data }) => waiting.get(data.id)(data);
window.ask = (op, args) => new Promise((resolve) => {
  waiting.set(++next, resolve);
  worker.postMessage({ id: next, op, args });
});
</script>`;

async function openPage(t, browser) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'conclave-e2ee-page-'));
  t.defer(() => rmSync(folder, { recursive: true, force: true }));
  await bundle(path.join(folder, 'e2ee.mjs'), 'browser');
  copyFileSync(wasmPath, path.join(folder, 'module.wasm'));
  writeFileSync(path.join(folder, 'worker.mjs'), WORKER);
  writeFileSync(path.join(folder, 'index.html'), PAGE);
  const page = await newPage(browser, `${await serveFiles(t, folder)}/index.html`);
  return async (op, args) => {
    const reply = await page.evaluate((o, a) => window.ask(o, a), op, args);
    if (reply.error) throw new Error(`${op}: ${reply.error}`);
    return reply.ok;
  };
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'));

for (const [name, start] of [['Chromium', chromium], ['Firefox', firefox]]) {
  test(`${name}: in a worker, a group of three with a native member, and frames both ways`, { timeoutMs: 90_000 }, async (t) => {
    const ask = await openPage(t, await start(t));
    check(await ask('load'), 'it runs in a worker');
    const peer = new NativePeer(t, peerPath);
    const native = await NativeMember.make(peer, HYBRID, 'native');
    await native.create(Buffer.from('browser group'));
    await ask('make', { name: 'one', suite: HYBRID });
    await ask('make', { name: 'two', suite: HYBRID });
    const first = await native.commit({ add: [unhex(await ask('keyPackage', { name: 'one' }))] });
    await native.confirm();
    await ask('join', { name: 'one', welcome: hex(first.welcome) });
    // the page adds the third
    const second = await ask('commit', { name: 'one', add: await ask('keyPackage', { name: 'two' }) });
    await native.process(unhex(second.commit));
    await ask('join', { name: 'two', welcome: second.welcome });
    const states = [await native.state(), await ask('state', { name: 'one' }), await ask('state', { name: 'two' })];
    for (const s of states) checkEqual([s.epoch, s.authenticator], [2, states[0].authenticator], 'epoch and authenticator');
    checkEqual([states[1].unverified, states[2].unverified], [0, 0], 'all leaf signatures were checked');
    const message = await ask('protect', { name: 'two', text: 'hello from the page' });
    checkEqual(Buffer.from(await native.process(unhex(message))).toString(), 'hello from the page', 'text');
    const key = await peer.ask('export', { group: native.group, label: 'SFrame 1.0 Base Key', len: 32 });
    const sender = await peer.ask('sender', { epoch: 2, leaf: states[0].leaf, key });
    const receiver = await peer.ask('receiver', { epoch: 2, leaf: states[0].leaf, key });
    await ask('frames', { name: 'one' });
    const info = { codec: 2, kind: 2, type: 0 };
    for (let i = 0; i < 20; i++) {
      const frame = hex(Uint8Array.from({ length: 100 + 37 * i }, (_, k) => (k === 0 ? 0x31 : (k * 7 + i) & 255)));
      const fromNative = await peer.ask('seal_frame', { sender, context: 1, ...info, frame });
      checkEqual(await ask('open', { name: 'one', leaf: states[0].leaf, info, frame: fromNative }), frame, 'a frame of the C library in the page');
      const fromPage = await ask('seal', { name: 'one', context: 1, info, frame });
      checkEqual(await peer.ask('open_frame', { receiver, leaf: states[1].leaf, ...info, frame: fromPage }), frame, 'a frame of the page in the C library');
    }
  });
}
