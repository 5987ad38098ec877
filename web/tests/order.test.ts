import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterPeople, promoteSpeaker, reconcileOrder, sortPeople } from '../src/meeting/order';

test('people who stay keep their places, and those who come are last', () => {
    assert.deepEqual(reconcileOrder(['me', 'a', 'b', 'c'], ['c', 'me', 'a', 'd']), ['me', 'a', 'c', 'd']);
});

test('nothing changed is the same array, so that nothing is drawn again', () => {
    const order = ['me', 'a', 'b'];
    assert.equal(reconcileOrder(order, ['b', 'me', 'a']), order);
});

test('a speaker of the first page moves nobody', () => {
    const order = ['me', 'a', 'b', 'c'];
    assert.equal(promoteSpeaker(order, 'b', 3, new Map(), new Set(['me'])), order);
});

test('a speaker of a later page changes places with the longest silent tile, and all others stay', () => {
    const order = ['me', 'a', 'b', 'c', 'd', 'e'];
    const spoke = new Map([
        ['a', 100],
        ['b', 50],
    ]);
    assert.deepEqual(promoteSpeaker(order, 'e', 3, spoke, new Set(['me'])), ['me', 'a', 'e', 'c', 'd', 'b']);
});

test('oneself never gives way', () => {
    const order = ['me', 'a'];
    assert.equal(promoteSpeaker(order, 'a', 1, new Map(), new Set(['me'])), order);
});

test('an unknown speaker moves nobody', () => {
    const order = ['me', 'a', 'b'];
    assert.equal(promoteSpeaker(order, 'x', 1, new Map(), new Set(['me'])), order);
});

const row = (name: string, isLocal = false) => ({ identity: `id-${name}`, name, isLocal });

test('the people list starts with oneself and goes on by name', () => {
    const sorted = sortPeople([row('zoë'), row('Émile'), row('Bo', true), row('anna')]);
    assert.deepEqual(
        sorted.map((p) => p.name),
        ['Bo', 'anna', 'Émile', 'zoë'],
    );
});

test('people are found by parts of their name whatever the accents', () => {
    const people = [row('Émile Zola'), row('Emil Nolde'), row('Anna')];
    assert.deepEqual(
        filterPeople(people, 'emil').map((p) => p.name),
        ['Émile Zola', 'Emil Nolde'],
    );
    assert.deepEqual(
        filterPeople(people, 'zol emi').map((p) => p.name),
        ['Émile Zola'],
    );
    assert.equal(filterPeople(people, '').length, 3);
    assert.equal(filterPeople(people, 'x').length, 0);
});
