import assert from 'node:assert/strict';
import test from 'node:test';
import { makeFragment, parseFragment, SUITE_HYBRID, SUITE_X25519 } from '../src/secure/link';

test('a new fragment has 32 bytes that nobody else has, and names the suite only when it is not the hybrid', () => {
    const one = makeFragment(SUITE_HYBRID);
    assert.match(one, /^#k=[A-Za-z0-9_-]{43}$/);
    assert.notEqual(one, makeFragment(SUITE_HYBRID));
    assert.equal(parseFragment(one)?.secret.length, 32);
    assert.equal(parseFragment(one)?.suite, SUITE_HYBRID);
    const plain = makeFragment(SUITE_X25519);
    assert.match(plain, /^#k=[A-Za-z0-9_-]{43}&s=1$/);
    assert.equal(parseFragment(plain)?.suite, SUITE_X25519);
});

test('a secret comes out as it went in', () => {
    const secret = parseFragment('#k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8')?.secret;
    assert.deepEqual([...(secret ?? [])], [...Array(32).keys()]);
});

test('a link that is cut, altered or of an unknown suite is incomplete', () => {
    const key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
    for (const hash of ['', '#', '#k=', `#k=${key.slice(0, 42)}`, `#k=${key}A`, `#k=${key.slice(0, 42)}!`, `#k=${key}&s=2`, `#k=${key}&s=x`, `#${key}`]) {
        assert.equal(parseFragment(hash), undefined, hash);
    }
    assert.equal(parseFragment(`#x=1&k=${key}`)?.suite, SUITE_HYBRID);
});
