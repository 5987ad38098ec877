import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reactions } from '../src/meeting/announcements';
import { moved } from '../src/ui/roving';

test('arrow keys move in rows and columns, in the direction of reading, and stop at the ends', () => {
    assert.equal(moved('ArrowRight', 0, 9, 3), 1);
    assert.equal(moved('ArrowRight', 0, 9, 3, true), 0);
    assert.equal(moved('ArrowLeft', 0, 9, 3, true), 1);
    assert.equal(moved('ArrowDown', 1, 9, 3), 4);
    assert.equal(moved('ArrowDown', 7, 9, 3), 7);
    assert.equal(moved('ArrowUp', 1, 9, 3), 1);
    assert.equal(moved('Home', 5, 9, 3), 0);
    assert.equal(moved('End', 5, 9, 3), 8);
    assert.equal(moved('Tab', 5, 9, 3), undefined);
});

test('a few who react alike are named in one sentence, many are counted', () => {
    const reactions = new Reactions();
    assert.equal(reactions.add('Applause', 'Ann'), 'Ann: Applause');
    reactions.add('Applause', 'Bob');
    assert.equal(reactions.add('Applause', 'Cem'), 'Ann, Bob, Cem: Applause');
    assert.equal(reactions.add('Applause', 'Dan'), '4 people: Applause');
    assert.equal(reactions.add('Love', 'Dan'), 'Dan: Love');
});
