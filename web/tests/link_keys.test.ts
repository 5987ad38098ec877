import assert from 'node:assert/strict';
import test from 'node:test';
import { parseKept, withKey } from '../src/app/link_keys';

test('what is stored of links is taken only if it is that', () => {
    assert.deepEqual(parseKept(null), []);
    assert.deepEqual(parseKept('{"a":1}'), []);
    assert.deepEqual(parseKept('nonsense'), []);
    assert.deepEqual(parseKept('[["m","#k=x"],["m"],[1,2],"m"]'), [['m', '#k=x']]);
});

test('a tab keeps the keys of a few meetings, each once', () => {
    let kept = withKey([], 'a', '#k=1');
    kept = withKey(kept, 'b', '#k=2');
    kept = withKey(kept, 'a', '#k=3');
    assert.deepEqual(kept, [['b', '#k=2'], ['a', '#k=3']]);
    for (let i = 0; i < 20; i++) kept = withKey(kept, `m${i}`, '#k=4');
    assert.equal(kept.length, 8);
});
