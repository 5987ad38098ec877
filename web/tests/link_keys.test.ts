import assert from 'node:assert/strict';
import test from 'node:test';
import { keptOf, parseKept, withKept, type Kept } from '../src/app/link_keys';

const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const OTHER = 'BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const LINK = `#k=${KEY}&o=AAECAwQFBgcICQoLDA0ODw&w=${KEY}&j=1`;
const one = (id: string, more: Partial<Kept> = {}): Kept => ({ id, fragment: LINK, ownerSeed: '', seat: '', ...more });

test('what is stored of links is taken only if it is that', () => {
    for (const json of [null, '{"a":1}', 'nonsense', '[1,null,"m",["m","#k=x"]]', '[{"id":"m","fragment":"#k=x"}]']) assert.deepEqual(parseKept(json), []);
    assert.deepEqual(parseKept(JSON.stringify([one('m'), { id: 1 }])), [one('m')]);
});

test('a tab keeps the keys of a few meetings, each once', () => {
    let kept = withKept([], one('a'));
    kept = withKept(kept, one('b'));
    kept = withKept(kept, one('a', { seat: KEY }));
    assert.deepEqual(kept, [one('b'), one('a', { seat: KEY })]);
    for (let i = 0; i < 20; i++) kept = withKept(kept, one(`m${i}`));
    assert.equal(kept.length, 8);
});

test('the key of the owner is kept beside the link and never in what is given to others', () => {
    assert.deepEqual(keptOf('m', `${LINK}&h=${OTHER}`, undefined), one('m', { ownerSeed: OTHER }));
    assert.equal(keptOf('m', '#k=x', undefined), undefined);
});

test('the same link once more leaves seat and owner as they are; another link begins anew', () => {
    const before = one('m', { ownerSeed: OTHER, seat: KEY });
    assert.deepEqual(keptOf('m', LINK, before), before);
    const other = LINK.replace(`k=${KEY}`, `k=${OTHER}`);
    assert.deepEqual(keptOf('m', other, before), one('m', { fragment: other }));
    assert.deepEqual(keptOf('m', `${LINK}&h=${OTHER}`, before), before, 'the same host link');
    assert.deepEqual(keptOf('m', `${LINK}&h=${OTHER}`, one('m', { seat: KEY })), one('m', { ownerSeed: OTHER }), 'a host link for who was in without it');
});
