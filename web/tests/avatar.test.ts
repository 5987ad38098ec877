import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HUES, hueOf, initials } from '../src/meeting/avatar';

test('initials are of the first and last word, in any script', () => {
    assert.equal(initials('Ann Lee'), 'AL');
    assert.equal(initials('ann maria van lee'), 'AL');
    assert.equal(initials('Ann'), 'A');
    assert.equal(initials('田中 さくら'), '田さ');
    assert.equal(initials('😀 b'), '😀B');
    assert.equal(initials('   '), '?');
});

test('a person keeps a colour, within the colours there are', () => {
    for (const id of ['', 'a', 'PA_x', 'x'.repeat(500)]) {
        assert.equal(hueOf(id), hueOf(id));
        assert.ok(hueOf(id) >= 0 && hueOf(id) < HUES);
    }
});
