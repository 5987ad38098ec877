import assert from 'node:assert/strict';
import test from 'node:test';
import { NEW_KIND, parseFragment, SUITE_HYBRID, SUITE_X25519, writeFragment } from '../src/secure/link';

const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const HASH = 'AAECAwQFBgcICQoLDA0ODw';
const LINK = `#k=${KEY}&o=${HASH}&w=${KEY}&j=1`;
const numbers = (n: number): number[] => [...Array(n).keys()];

test('what a link says comes out as it went in, and the suite is named only when it is not the hybrid', () => {
    const keys = parseFragment(LINK)!;
    assert.deepEqual([[...keys.secret], [...keys.operatorHash], [...keys.owner]], [numbers(32), numbers(16), numbers(32)]);
    assert.deepEqual([keys.suite, keys.kind, keys.ownerSeed], [SUITE_HYBRID, NEW_KIND, undefined]);
    assert.equal(writeFragment(keys), LINK);
    const plain = parseFragment(`${LINK.replace('&j=1', '')}&s=1`)!;
    assert.deepEqual([plain.suite, plain.kind], [SUITE_X25519, 1]);
    assert.equal(writeFragment(plain), `#k=${KEY}&o=${HASH}&w=${KEY}&s=1`);
});

test('the owner’s key is read from the host link, and never written into a link', () => {
    const keys = parseFragment(`${LINK}&h=${KEY}`)!;
    assert.deepEqual([...(keys.ownerSeed ?? [])], numbers(32));
    assert.equal(writeFragment(keys), LINK);
});

test('a link that is cut, altered or of an unknown suite is incomplete', () => {
    const wrong = [
        '', '#', '#k=', LINK.replace(`k=${KEY}`, `k=${KEY.slice(0, 42)}`), LINK.replace(`k=${KEY}`, `k=${KEY}A`),
        LINK.replace(`w=${KEY}`, `w=${KEY.slice(0, 42)}!`), LINK.replace(`&o=${HASH}`, ''), LINK.replace(`&w=${KEY}`, ''), `${LINK}&s=2`,
        `${LINK}&s=x`, `#${KEY}`,
    ];
    for (const hash of wrong) assert.equal(parseFragment(hash), undefined, hash);
    assert.equal(parseFragment(`#x=1&${LINK.slice(1)}`)?.suite, SUITE_HYBRID);
});
