import assert from 'node:assert/strict';
import test from 'node:test';
import { groupDigits, standingOf } from '../src/meeting/security';
import type { SecurePerson } from '../src/secure/types';

const person = (identity: string, more: Partial<SecurePerson> = {}): [string, SecurePerson] => [
    identity,
    {
        identity, leaf: 0, self: false, host: false, online: true, hand: false, name: identity, checked: true, verified: false,
        client: 'browser', software: '', bundle: '', ...more,
    },
];
const of = (people: [string, SecurePerson][], undecryptable: string[] = [], state: 'in' | 'joining' = 'in') =>
    standingOf({ state, people: new Map(people), undecryptable: new Set(undecryptable) });

test('a meeting is called verified only when codes were compared with everybody else', () => {
    const me = person('me', { self: true });
    assert.equal(of([me]), 'encrypted');
    assert.equal(of([me, person('ann'), person('bob')]), 'encrypted');
    assert.equal(of([me, person('ann', { verified: true }), person('bob')]), 'unverified');
    assert.equal(of([me, person('ann', { verified: true })]), 'verified');
});

test('who cannot be decrypted outweighs every verification, and nothing is claimed before one is in the group', () => {
    const verified = [person('me', { self: true }), person('ann', { verified: true })];
    assert.equal(of(verified, ['ann']), 'cannot');
    assert.equal(of(verified, [], 'joining'), 'pending');
});

test('thirty digits are read in six groups', () => {
    assert.deepEqual(groupDigits('012345678901234567890123456789'), ['01234', '56789', '01234', '56789', '01234', '56789']);
});
