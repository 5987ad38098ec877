import assert from 'node:assert/strict';
import test from 'node:test';
import { boundedBody, boundedMessage, MESSAGE_LEN_MAX } from '../src/secure/bounded';

test('an answer without end is given up at the length that it may have', async () => {
    let given = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
        pull: (sink) => {
            given += 65_536;
            sink.enqueue(new Uint8Array(65_536));
        },
        cancel: () => {
            cancelled = true;
        },
    });
    const body = await boundedBody(new Response(endless as unknown as BodyInit), 1_000_000);
    assert.equal(body.length, 0);
    assert.ok(cancelled && given < 1_300_000, `${given} bytes were taken`);
});

test('an answer of the length that it may have is taken whole', async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
    assert.deepEqual(await boundedBody(new Response(bytes), 1000), bytes);
    assert.equal((await boundedBody(new Response(bytes), 999)).length, 0);
    assert.equal((await boundedBody(new Response(null), 10)).length, 0);
});

test('a message that is too long does not get as far as the memory of the module', () => {
    assert.equal(boundedMessage(new ArrayBuffer(MESSAGE_LEN_MAX)).length, MESSAGE_LEN_MAX);
    assert.equal(boundedMessage(new ArrayBuffer(MESSAGE_LEN_MAX + 1)).length, 0);
});
