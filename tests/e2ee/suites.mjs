// Each suite once, in small: all ways in and out, all pairs of implementations, frames across the two builds.
import crypto from 'node:crypto';
import { check, checkEqual, test } from '../lib/runner.mjs';
import { library, peerPath } from './library.mjs';
import { NativeMember, NativePeer, TsMember, WasmMember } from './members.mjs';

const HYBRID = 0xf0a7;
const utf8 = (text) => new TextEncoder().encode(text);

async function agree(members) {
  const states = await Promise.all(members.map((m) => m.state()));
  for (const s of states) checkEqual([s.epoch, s.authenticator], [states[0].epoch, states[0].authenticator], 'epoch and authenticator');
  return states;
}

/** `first` makes the group, adds `second`; `third` comes by external commit; everybody writes; somebody is removed. */
async function story(first, second, third) {
  await first.create(crypto.randomBytes(16));
  const added = await first.commit({ add: [await second.keyPackage()] });
  await first.confirm();
  await second.join(added.welcome);
  await agree([first, second]);
  const external = await third.joinExternal(await [second, first].find((m) => m.info).info());
  await first.process(external);
  await second.process(external);
  await third.confirm();
  const all = [first, second, third];
  await agree(all);
  for (const sender of all) {
    const message = await sender.protect(utf8(`from ${sender.name}`));
    for (const other of all) if (other !== sender) checkEqual(Buffer.from(await other.process(message)).toString(), `from ${sender.name}`, 'text');
  }
  // a commit of each, with a path: everybody's keys are fresh
  for (const committer of all) {
    const { commit } = await committer.commit();
    for (const other of all) if (other !== committer) await other.process(commit);
    await committer.confirm();
    await agree(all);
  }
  const leaf = (await third.state()).leaf;
  const removed = await second.commit({ remove: [leaf] });
  await first.process(removed.commit);
  await second.confirm();
  await agree([first, second]);
  const secret = await first.protect(utf8('after'));
  const outcome = await third.process(secret).then(() => 'opened', () => 'refused');
  checkEqual(outcome, 'refused', 'a removed member and the next epoch');
}

test('the module checks its primitives when it starts, the other curves when asked', { timeoutMs: 60_000 }, async () => {
  const { module } = await library();
  const wrong = module.number('wasm_self_test_curves');
  check(wrong === 0, `wrong: ${wrong && module.text(wrong)}`);
});

for (const suite of [1, 2, 3, 4, 5, 6, 7, HYBRID]) {
  test(`suite ${suite.toString(16)}: natively and in WebAssembly`, { timeoutMs: 60_000 }, async (t) => {
    const { e2ee, module } = await library();
    const peer = new NativePeer(t, peerPath);
    const native = (name) => NativeMember.make(peer, suite, name);
    const wasm = (name) => WasmMember.make(e2ee, module, suite, name);
    await story(await native('a'), await wasm('b'), await native('c'));
    await story(await wasm('a'), await native('b'), await wasm('c'));
  });
}

for (const suite of [1, 2, 3, 7]) {
  test(`suite ${suite}: with ts-mls in every role`, { timeoutMs: 120_000 }, async (t) => {
    const { e2ee, module } = await library();
    const peer = new NativePeer(t, peerPath);
    const native = (name) => NativeMember.make(peer, suite, name);
    const wasm = (name) => WasmMember.make(e2ee, module, suite, name);
    const other = (name) => TsMember.make(suite, name);
    await story(await other('a'), await native('b'), await wasm('c'));
    await story(await native('a'), await other('b'), await wasm('c'));
    await story(await wasm('a'), await native('b'), await other('c'));
  });
}

/** Frames that begin as the codecs' do. */
function frames(codec) {
  const body = (n) => [...crypto.randomBytes(n)];
  switch (codec) {
    case 'vp8':
      return [[0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, ...body(900)], [0x31, ...body(300)]];
    case 'h264': // SPS, PPS, IDR; then a slice
      return [
        [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x95, 0xa0, 0x14, 0x01, 0x6e, 0x40, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0xb8, 0x40, ...body(800)],
        [0, 0, 0, 1, 0x41, 0x9a, 0x24, ...body(400)],
      ];
    case 'av1': // temporal delimiter, frame OBU with its size
      return [[0x12, 0x00, 0x32, 0xac, 0x02, ...body(300)]];
    default:
      return [body(160), body(1)];
  }
}

test('frames sealed natively open in WebAssembly, and the reverse, for every codec', { timeoutMs: 60_000 }, async (t) => {
  const { e2ee, module } = await library();
  const peer = new NativePeer(t, peerPath);
  const key = crypto.randomBytes(32);
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  const nativeSender = await peer.ask('sender', { epoch: 7, leaf: 2, key: hex(key) });
  const nativeReceiver = await peer.ask('receiver', { epoch: 7, leaf: 2, key: hex(key) });
  const sealer = new e2ee.FrameSealer(module);
  const opener = new e2ee.FrameOpener(module);
  sealer.install(7n, 5, key);
  opener.install(7n, 5, key);
  let context = 0;
  for (const name of ['opus', 'vp8', 'vp9', 'h264', 'av1', 'data']) {
    const info = { codec: e2ee.CODECS[name], kind: name === 'opus' ? 1 : name === 'data' ? 0 : 2, type: 0 };
    for (const frame of frames(name)) {
      const plain = Uint8Array.from(frame);
      const fromNative = await peer.ask('seal_frame', { sender: nativeSender, context, ...info, frame: hex(plain) });
      checkEqual(hex(await opener.open(2, info, Buffer.from(fromNative, 'hex'))), hex(plain), `${name} from native`);
      const sealed = await sealer.seal(context, info, plain);
      check(!hex(sealed).includes(hex(plain.slice(-16))) || plain.length < 16, 'the end of the frame is not in clear');
      checkEqual(await peer.ask('open_frame', { receiver: nativeReceiver, leaf: 5, ...info, frame: hex(sealed) }), hex(plain), `${name} from WebAssembly`);
      const again = await opener.open(2, info, Buffer.from(fromNative, 'hex')).then(() => 'opened', (error) => error.code);
      checkEqual(again, 'REPLAYED', 'the same frame again');
      sealed[sealed.length - 4] ^= 1;
      const forged = await peer.ask('open_frame', { receiver: nativeReceiver, leaf: 5, ...info, frame: hex(sealed) }).then(() => 'opened', () => 'refused');
      checkEqual(forged, 'refused', 'a changed frame');
    }
    context++;
  }
});

test('a wrong key package, a replayed commit and a foreign message are refused by name', { timeoutMs: 60_000 }, async () => {
  const { e2ee, module } = await library();
  const a = await WasmMember.make(e2ee, module, 1, 'a');
  const b = await WasmMember.make(e2ee, module, 1, 'b');
  await a.create(utf8('g'));
  const kp = await b.keyPackage();
  kp[kp.length - 1] ^= 1;
  const refusal = await a.commit({ add: [kp] }).then(() => 'taken', (error) => error.code);
  checkEqual(refusal, 'KEY_PACKAGE_SIGNATURE_INVALID', 'a key package with a wrong signature');
  const { commit, welcome } = await a.commit({ add: [await b.keyPackage()] });
  await a.confirm();
  await b.join(welcome);
  checkEqual(await b.process(commit).catch((error) => error.code), 'EPOCH_OVER', 'the commit that added us, again');
});

for (const suite of [1, 2]) {
  test(`suite ${suite}: a joiner of forty has verified every member when verifyAll resolves`, { timeoutMs: 60_000 }, async () => {
    const { e2ee, module } = await library();
    const founder = await WasmMember.make(e2ee, module, suite, 'founder');
    await founder.create(utf8('forty'));
    const others = [];
    for (let i = 0; i < 39; i++) others.push(await WasmMember.make(e2ee, module, suite, `m${i}`));
    const packages = [];
    for (const m of others) packages.push(await m.keyPackage());
    const { welcome } = await founder.commit({ add: packages });
    await founder.confirm();
    const group = others[20].client.join(welcome, undefined, true);
    check(group.verifyLeft > 30, 'signatures wait');
    await e2ee.verifyAll(group, 16);
    checkEqual(group.verifyLeft, 0, 'left');
    check(group.members().every((m) => m.verified), 'every member is verified');
  });
}
