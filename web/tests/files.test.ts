import assert from 'node:assert/strict';
import test from 'node:test';
import { CHUNK_LEN, downloadFile, openFile, sealFile, TAG_LEN } from '../src/secure/files';
import type { SealedFile } from '../src/secure/types';

async function sealed(length: number) {
    const plain = crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)));
    const data = new Uint8Array(length);
    for (let i = 0; i < length; i += plain.length) data.set(plain.subarray(0, length - i), i);
    const shares: number[] = [];
    const { ciphertext, key, sha256 } = await sealFile(new Blob([data]), (share) => shares.push(share));
    const file: SealedFile = { id: 'f', name: 'a.txt', lengthBytes: length, key, sha256 };
    return { data, file, shares, bytes: new Uint8Array(await ciphertext.arrayBuffer()) };
}

test('a file opens to what it was, whatever its length', async () => {
    for (const length of [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN]) {
        const { data, file, shares, bytes } = await sealed(length);
        const opened = new Uint8Array(await (await openFile(file, bytes)).arrayBuffer());
        assert.deepEqual(opened, data, `${length} bytes`);
        assert.equal(shares.at(-1), 1, 'the progress reaches the end');
    }
});

test('equal files never look equal, and nothing of them is in the ciphertext', async () => {
    const text = new Uint8Array(4096).fill(65);
    const one = await sealFile(new Blob([text]), () => undefined);
    const two = await sealFile(new Blob([text]), () => undefined);
    const bytes = [new Uint8Array(await one.ciphertext.arrayBuffer()), new Uint8Array(await two.ciphertext.arrayBuffer())];
    assert.notDeepEqual(bytes[0], bytes[1]);
    assert.equal(Buffer.from(bytes[0]!).indexOf('AAAA'), -1);
});

test('a file that was changed, cut, lengthened, reordered or swapped is refused', async () => {
    const { file, bytes } = await sealed(3 * CHUNK_LEN);
    const step = CHUNK_LEN + TAG_LEN;
    const refused = (what: string, given: Uint8Array<ArrayBuffer>, as: SealedFile = file) =>
        assert.rejects(openFile(as, given), { code: 'damaged' }, what);
    const changed = bytes.slice();
    changed[step + 5]! ^= 1;
    await refused('a changed byte', changed);
    await refused('a missing end', bytes.slice(0, 2 * step));
    await refused('a missing end that the length agrees with', bytes.slice(0, 2 * step), { ...file, lengthBytes: 2 * CHUNK_LEN });
    const reordered = bytes.slice();
    reordered.set(bytes.subarray(step, 2 * step), 0);
    reordered.set(bytes.subarray(0, step), step);
    await refused('chunks in another order', reordered);
    await refused('another hash', bytes, { ...file, sha256: new Uint8Array(32) });
    await refused('another key', bytes, { ...file, key: new Uint8Array(32) });
});

test('fetching a file takes as much memory as comes, whatever length its sender claims', async () => {
    const { file, bytes } = await sealed(100);
    const real = globalThis.fetch;
    globalThis.fetch = () => Promise.resolve(new Response(bytes));
    try {
        const place = { meetingId: 'm', token: () => '' };
        assert.equal((await downloadFile(place, file, () => undefined)).size, 100);
        await assert.rejects(downloadFile(place, { ...file, lengthBytes: 2 ** 45 }, () => undefined), { code: 'damaged' });
        await assert.rejects(downloadFile(place, { ...file, lengthBytes: 50 }, () => undefined), { code: 'damaged' });
    } finally {
        globalThis.fetch = real;
    }
});
