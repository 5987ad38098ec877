// The encryption side in Node, with the module that meetings run: frames pass sealed or opened, else not at all.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Module } from '../e2ee/module';
import { nobleAead } from '../e2ee/noble_aead';
import { FramePipes, type EncodedFrame } from '../src/secure/frame_pipes';
import { SOURCES } from '../src/secure/messages';
import { ALARMS, Stay, TYPES, identityOf, type Output, type StayConfig } from '../src/secure/stay';
import { SUITE_HYBRID, SUITE_X25519 } from '../src/secure/link';

const load = (): Promise<Module> =>
    Module.load(readFileSync(process.env['CONCLAVE_MEMBER_WASM']!), { aead: nobleAead });

const BASE_KEY = Uint8Array.from({ length: 32 }, (_, i) => i);

function frame(bytes: number[], mimeType = 'video/VP8', type = 'delta'): EncodedFrame {
    return { data: Uint8Array.from(bytes).buffer, type, getMetadata: () => ({ mimeType }) };
}

/** Feeds frames through a transform; answers a way in and what came out. */
function through(pipes: FramePipes, options: { id: number; opening: boolean }) {
    const out: EncodedFrame[] = [];
    const way = new TransformStream<EncodedFrame, EncodedFrame>();
    const writer = way.writable.getWriter();
    const done = pipes.run(options, way.readable, new WritableStream({ write: (f: EncodedFrame) => void out.push(f) }));
    return { out, write: (f: EncodedFrame) => writer.write(f), end: () => writer.close().then(() => done) };
}

async function pair() {
    const module = await load();
    const opened: string[] = [];
    const ann = new FramePipes(module, { opened: () => undefined });
    const bob = new FramePipes(module, { opened: (id) => opened.push(id) });
    ann.setTrack(1, false, '', SOURCES.camera, '', 'video/vp8');
    const sending = through(ann, { id: 1, opening: false });
    const receiving = through(bob, { id: 2, opening: true });
    const keys = (): void => {
        ann.install(0n, 0, BASE_KEY.slice());
        bob.install(0n, 1, BASE_KEY.slice());
        ann.switchTo(0n);
        bob.switchTo(0n);
    };
    return { ann, bob, sending, receiving, opened, keys };
}

const KEY_FRAME = [0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 36, 0, 11, 12, 13, 14, 15];

test('nothing is sent before there is a key, and then nothing in clear', async () => {
    const { ann, sending, keys } = await pair();
    await sending.write(frame(KEY_FRAME));
    keys();
    await sending.write(frame(KEY_FRAME));
    await sending.write(frame([]));
    await sending.end();
    assert.equal(sending.out.length, 1);
    const bytes = Buffer.from(sending.out[0]!.data);
    assert.equal(bytes.indexOf(Buffer.from([11, 12, 13, 14, 15])), -1);
    assert.ok(bytes.length > KEY_FRAME.length + 16 + 1, 'a header, a tag and a trailer');
    assert.deepEqual([ann.counts.sealed, ann.counts.withheld], [1, 1]);
});

test('a frame of an unknown codec is withheld', async () => {
    const { ann, sending, keys } = await pair();
    keys();
    await sending.write(frame(KEY_FRAME, 'video/x-unknown'));
    await sending.end();
    assert.equal(sending.out.length, 0);
    assert.equal(ann.counts.withheld, 1);
});

test('a frame is played only for the person and the track that it was sealed for', async () => {
    const { bob, sending, receiving, opened, keys } = await pair();
    keys();
    const sealed: ArrayBuffer[] = [];
    for (let i = 0; i < 7; i++) await sending.write(frame(KEY_FRAME, 'video/VP8', 'key'));
    await sending.end();
    for (const f of sending.out) sealed.push(f.data);
    const give = (i: number) => receiving.write({ ...frame([], 'video/VP8', 'key'), data: sealed[i]!.slice(0) });
    const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

    await give(0); // nobody's
    await settle();
    bob.setTrack(2, true, 'ann', SOURCES.camera, 'T', 'video/vp8');
    await give(1); // not in the group
    await settle();
    bob.setLeaves([['ann', 0], ['eve', 2]]);
    await give(2); // its context was not told
    await settle();
    bob.announced('ann', SOURCES.screen - 1, SOURCES.camera);
    await give(3); // in another context than was told
    await settle();
    bob.announced('eve', SOURCES.camera - 1, SOURCES.camera);
    bob.setTrack(2, true, 'eve', SOURCES.camera, 'T', 'video/vp8');
    await give(4); // Ann's frame in Eve's name
    await settle();
    assert.equal(receiving.out.length, 0);
    assert.deepEqual(opened, []);
    assert.deepEqual(Object.keys(bob.counts.refused).sort(), ['NOBODYS', 'STRANGER', 'UNANNOUNCED', 'WRONG_CONTEXT', 'WRONG_SENDER'].sort());

    bob.announced('ann', SOURCES.camera - 1, SOURCES.camera);
    bob.setTrack(2, true, 'ann', SOURCES.camera, 'T', 'video/vp8');
    await give(5);
    await give(5); // twice
    await receiving.write(frame(KEY_FRAME)); // in clear
    await receiving.write(frame([]));
    await receiving.end();
    assert.equal(receiving.out.length, 1);
    assert.deepEqual([...new Uint8Array(receiving.out[0]!.data)], KEY_FRAME);
    assert.deepEqual(opened, ['T']);
    assert.equal(bob.counts.opened, 1);
    assert.equal(bob.counts.refused['REPLAYED'], 1);
});

test('who was removed is heard no more', async () => {
    const { bob, sending, receiving, keys } = await pair();
    keys();
    await sending.write(frame(KEY_FRAME));
    await sending.end();
    bob.setTrack(2, true, 'ann', SOURCES.camera, 'T', 'video/vp8');
    bob.setLeaves([['ann', 0]]);
    bob.announced('ann', 1, SOURCES.camera);
    bob.gone('ann');
    await receiving.write(sending.out[0]!);
    await receiving.end();
    assert.equal(receiving.out.length, 0);
});

test('a track whose frames do not open is called so, and gaps are not', async () => {
    const { bob, receiving, keys } = await pair();
    keys();
    bob.setTrack(2, true, 'ann', SOURCES.camera, 'T', 'video/vp8');
    bob.setLeaves([['ann', 0]]);
    bob.announced('ann', 1, SOURCES.camera);
    for (let i = 0; i < 10; i++) await receiving.write(frame([]));
    assert.deepEqual(bob.failing(performance.now()), []);
    for (let i = 0; i < 10; i++) await receiving.write(frame(KEY_FRAME));
    await receiving.end();
    const now = performance.now();
    // the pipe is gone with its streams; its failures were counted
    assert.deepEqual(bob.failing(now), []);
    assert.ok(Object.values(bob.counts.refused).reduce((a, b) => a + b, 0) >= 10);
});

function drain(stay: Stay): Output[] {
    const outputs: Output[] = [];
    for (let o = stay.poll(); o; o = stay.poll()) outputs.push(o);
    return outputs;
}

const configOf = (suite: number): StayConfig => ({
    meetingId: 'meeting-1',
    link: {
        secret: new Uint8Array(32).fill(7), operatorHash: new Uint8Array(16), owner: new Uint8Array(32), ownerSeed: undefined, suite, kind: 129,
    },
    operator: new Uint8Array(32),
    seat: new Uint8Array(32).fill(9),
    name: 'Ann',
    software: 'test',
    bundleSha256: 'ab'.repeat(32),
});

/** type, nonce, features, term, claim, clock: what a server begins with. */
function challenge(aheadS = 0n): Uint8Array {
    const message = new Uint8Array(1 + 32 + 4 + 24 + 8);
    message[0] = 128;
    new DataView(message.buffer).setBigUint64(61, BigInt(Math.floor(Date.now() / 1000)) + aheadS);
    return message;
}

/** The names of an enum of the header, in small letters and in its order. */
function enumOf(pattern: RegExp): string[] {
    const header = readFileSync(process.env['CONCLAVE_MEMBER_HEADER']!, 'utf8');
    const body = pattern.exec(header)![1]!.replace(/\/\*.*?\*\//gs, '');
    return [...body.matchAll(/\b(?:MEMBER_|X\()([A-Z_]+)/g)].map(([, name]) => name!.toLowerCase());
}

test('what a stay calls outputs and alarms is what the member calls them, in its order', () => {
    assert.deepEqual(enumOf(/enum member_output_type \{(.*?)\};/s), [...TYPES]);
    assert.deepEqual(enumOf(/#define MEMBER_ALARMS\(X\)(.*?)#define/s), [...ALARMS]);
});

test('a stay says hello with a key package in both suites, and shows its own side', async () => {
    const module = await load();
    for (const suite of [SUITE_HYBRID, SUITE_X25519]) {
        const stay = Stay.create(module, configOf(suite));
        assert.match(stay.identity, /^p_[A-Za-z0-9_-]{22}$/);
        stay.connected();
        assert.deepEqual(drain(stay), []); // the server speaks first
        stay.input(challenge());
        const outputs = drain(stay);
        assert.deepEqual(outputs.map((o) => o.type), ['send', 'state']);
        assert.equal(outputs[0]!.bytes[0], 1);
        assert.equal(outputs[1]!.state, 'waiting');
        stay.input(challenge());
        assert.deepEqual(drain(stay).map((o) => [o.type, o.alarm]), [['alarm', 'order']], 'one challenge a connection');
        stay.lost(1006);
        stay.connected();
        drain(stay);
        stay.input(challenge(86_400n));
        assert.ok(drain(stay).some((o) => o.type === 'clock' && o.offSeconds < -80_000), 'a clock that is a day behind is told');
        assert.equal(stay.suite, suite);
        assert.deepEqual(stay.people(), []);
        assert.equal(stay.code(), undefined);
        // a verdict is about digits: without them, or with others, nobody is marked
        for (const whose of ['', 'p_2']) assert.throws(() => stay.markVerified(whose, true, '0'.repeat(30)), /code has changed/);
        assert.throws(() => stay.chat('', '00'.repeat(16), 'hello'));
        stay.lost(1006);
        assert.deepEqual(drain(stay).map((o) => o.type), ['state', 'connect']);
        stay.free();
    }
});

test('a key of an epoch that is not above the present one is refused, and stops nothing', async () => {
    const { ann, bob, sending, keys } = await pair();
    keys();
    for (const pipes of [ann, bob]) {
        pipes.install(7n, 0, BASE_KEY.map((byte) => byte ^ 1));
        for (const epoch of [7n, 6n, 0n]) {
            const key = BASE_KEY.map((byte) => byte ^ 2);
            assert.throws(() => pipes.install(epoch, 0, key), /ENDED_EPOCH/);
            assert.deepEqual([...key], Array(32).fill(0), 'the refused key is wiped');
        }
        pipes.switchTo(99n);
    }
    await sending.write(frame(KEY_FRAME));
    await sending.end();
    assert.equal(sending.out.length, 1);
});

test('what comes out of the module is wiped once it was read, so that a base key is in one place', async () => {
    const module = await load();
    const given: Uint8Array[] = [];
    const result = module.result.bind(module);
    module.result = (i) => {
        const bytes = result(i);
        given.push(bytes);
        return bytes;
    };
    const stay = Stay.create(module, configOf(SUITE_X25519));
    stay.connected();
    stay.input(challenge());
    assert.ok(drain(stay).length > 0 && given.length > 0);
    for (const bytes of given) assert.ok(bytes.every((byte) => byte === 0));
    stay.free();
});

test('identities that differ in a byte are never one', () => {
    const bytes = (...values: number[]): string => identityOf(Uint8Array.from(values));
    assert.equal(bytes(0x70, 0x5f, 0x30), 'p_0');
    const seen = new Set([
        bytes(0x70, 0x5f, 0x30), bytes(0xef, 0xbb, 0xbf, 0x70, 0x5f, 0x30), bytes(0x70, 0xff), bytes(0x70, 0xfe),
        bytes(0x70, 0xef, 0xbf, 0xbd), bytes(0x70, 0x0a), bytes(0x70, 0),
    ]);
    assert.equal(seen.size, 7);
});
