import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenEndsMs, usableGrant } from '../src/app/grants';

const NOW_MS = 1_800_000_000_000;
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenUntil = (ms: number): string => `${part({ alg: 'HS256' })}.${part({ sub: 'p_ä', exp: ms / 1000 })}.c2ln`;
const grant = (over: object = {}): string =>
    JSON.stringify({
        id: 'meeting-1',
        name: 'Ann',
        identity: 'p_1',
        url: '',
        token: tokenUntil(NOW_MS + 300_000),
        ...over,
    });

test('the same person in the same meeting gets their place back while the token lasts', () => {
    assert.equal(usableGrant(grant(), 'meeting-1', 'Ann', NOW_MS)?.identity, 'p_1');
    assert.equal(usableGrant(grant(), 'meeting-1', 'Ann', NOW_MS + 290_000), undefined);
});

test('another meeting or another name needs a new grant', () => {
    assert.equal(usableGrant(grant(), 'meeting-2', 'Ann', NOW_MS), undefined);
    assert.equal(usableGrant(grant(), 'meeting-1', 'Bob', NOW_MS), undefined);
});

test('what is damaged or of a wrong type is no grant', () => {
    for (const json of [null, '', 'null', '[]', '7', '{"id":"meeting-1"}', grant({ token: 5 }), grant({ url: null })]) {
        assert.equal(usableGrant(json, 'meeting-1', 'Ann', NOW_MS), undefined, String(json));
    }
    assert.equal(usableGrant(grant({ token: 'a.b.c' }), 'meeting-1', 'Ann', NOW_MS), undefined);
});

test('the end of a token is read from its claims', () => {
    assert.equal(tokenEndsMs(tokenUntil(NOW_MS)), NOW_MS);
    for (const token of ['', 'x', 'a.b', `a.${part({ exp: 'soon' })}.c`, `a.${part({})}.c`]) {
        assert.equal(tokenEndsMs(token), 0, token);
    }
});
