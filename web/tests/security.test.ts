import assert from 'node:assert/strict';
import test from 'node:test';
import { signal } from '@preact/signals';
import { t } from '../src/i18n';
import { groupDigits, LOOKS, standingOf, tells, type Facts, type Standing } from '../src/meeting/security';
import { EVERYBODY, SecurityWatch } from '../src/meeting/security_watch';
import type { Alarm, Secure, SecurePerson, SecureState } from '../src/secure/types';

const person = (identity: string, more: Partial<SecurePerson> = {}): [string, SecurePerson] => [
    identity,
    {
        identity, leaf: 0, sinceEpoch: 0n, self: false, host: false, online: true, hand: false, name: identity, checked: true, verified: false, disputes: false,
        client: 'browser', software: '', bundle: '', ...more,
    },
];
const me = person('me', { self: true });
const of = (people: [string, SecurePerson][], more: Partial<Facts> = {}): Standing =>
    standingOf({ state: 'in', people: new Map(people), undecryptable: new Set(), outsiders: [], differing: new Set(), confirmed: true, unread: 0, ...more });

test('a meeting is called verified only when codes were compared with everybody else', () => {
    assert.equal(of([me]), 'encrypted');
    assert.equal(of([me, person('ann'), person('bob')]), 'encrypted');
    assert.equal(of([me, person('ann', { verified: true }), person('bob')]), 'unverified');
    assert.equal(of([me, person('ann', { verified: true })]), 'verified');
});

test('what is worse outweighs what is better, and nothing is claimed before one is in the group', () => {
    const verified = [me, person('ann', { verified: true })];
    assert.equal(of(verified, { unread: 1 }), 'refused');
    assert.equal(of(verified, { unread: 1, undecryptable: new Set(['ann']) }), 'cannot');
    assert.equal(of(verified, { confirmed: false }), 'unconfirmed');
    assert.equal(of([me, person('ann', { disputes: true })], { confirmed: false, unread: 1 }), 'disputed');
    assert.equal(of(verified, { state: 'joining' }), 'pending');
    assert.equal(of(verified, { outsiders: ['ghost'], undecryptable: new Set(['ann']) }), 'outsider');
    assert.equal(of(verified, { outsiders: ['ghost'], differing: new Set(['ann']), state: 'away' }), 'differ');
});

test('each state of security has words, a tone, and an icon that no other tone has', () => {
    const tones = new Map<string, string>();
    for (const [standing, { tone, icon }] of Object.entries(LOOKS)) {
        assert.equal(tones.get(icon) ?? tone, tone, `${icon} is of one tone`);
        tones.set(icon, tone);
        const words = t.security.standing[standing as Standing];
        assert.ok(words.title(2).length > 4 && words.text('Bob').length > 20, standing);
    }
    assert.deepEqual(Object.keys(LOOKS).sort(), Object.keys(t.security.standing).sort());
    assert.deepEqual(['verified', 'encrypted'].map((one) => /^End-to-end encrypted/.test(t.security.standing[one as Standing].title(1))), [true, true]);
    assert.notDeepEqual([LOOKS.unverified.tone, LOOKS.unverified.icon], [LOOKS.verified.tone, LOOKS.verified.icon]);
});

test('losing what was verified is told, and so is media from outside', () => {
    const all = Object.keys(LOOKS) as Standing[];
    const told = all.flatMap((before) => all.map((now) => [before, now, before === now ? 'no' : tells(before, now)] as const)).filter(([, , how]) => how !== 'no');
    const urgent = ['outsider', 'disputed'];
    assert.deepEqual(told.filter(([, now]) => !urgent.includes(now)), [['verified', 'unverified', 'calm'], ['verified', 'encrypted', 'calm']]);
    for (const one of urgent) assert.equal(told.filter(([, now, how]) => now === one && how === 'urgent').length, all.length - 1);
});

function watched() {
    const told: string[] = [];
    const marked: unknown[][] = [];
    const signals = {
        state: signal<SecureState>('in'),
        people: signal<ReadonlyMap<string, SecurePerson>>(new Map([me, person('ann', { verified: true })])),
        undecryptable: signal<ReadonlySet<string>>(new Set()),
        alarms: signal<readonly Alarm[]>([]),
        confirmed: signal(true),
    };
    const said: boolean[] = [];
    let digits = '1';
    const secure = {
        ...signals,
        markVerified: (...args: unknown[]) => {
            if (args[2] !== undefined && args[2] !== digits) return Promise.reject(new Error('changed'));
            marked.push(args);
            return Promise.resolve();
        },
        tellCompared: (differs: boolean) => {
            said.push(differs);
            return Promise.resolve();
        },
    } as unknown as Secure;
    const watch = new SecurityWatch(secure, signal<readonly string[]>([]), (text) => told.push(text));
    return { watch, told, marked, said, ...signals, turn: (to: string) => (digits = to) };
}

test('codes that differ stay so until they were compared again and are the same, or who it was has gone', async () => {
    const { watch, marked, people } = watched();
    await watch.saysDiffers('ann');
    assert.deepEqual([watch.standing.value, watch.names('differ'), marked], ['differ', 'ann', [['ann', false]]]);
    assert.equal(await watch.saysMatches('ann', '1'), true);
    assert.notEqual(watch.standing.value, 'differ');
    await watch.saysDiffers(EVERYBODY);
    people.value = new Map([me, person('bob')]);
    assert.equal(watch.standing.value, 'differ');
    await watch.saysMatches(EVERYBODY, '1');
    await watch.saysDiffers('bob');
    people.value = new Map([me]);
    assert.equal(watch.standing.value, 'encrypted');
});

test('a verdict about digits that have changed marks nobody and resolves nothing', async () => {
    const { watch, marked, turn } = watched();
    await watch.saysDiffers('ann');
    turn('2');
    assert.equal(await watch.saysMatches('ann', '1'), false);
    assert.deepEqual([watch.standing.value, marked.length], ['differ', 1]);
});

test('who loses the verified state by a third reads who it was; alarms stay until they were read', () => {
    const { watch, told, people, alarms } = watched();
    assert.equal(watch.standing.value, 'verified');
    people.value = new Map([...people.value, person('Dan')]);
    assert.deepEqual([watch.standing.value, told.length, /Dan/.test(told[0] ?? '')], ['unverified', 1, true]);
    const alarm = (kind: Alarm['kind']): Alarm => ({ kind, identity: '', atMs: 0 });
    alarms.value = [alarm('add')];
    assert.equal(watch.standing.value, 'refused');
    watch.markRead();
    assert.equal(watch.standing.value, 'unverified');
    alarms.value = [...alarms.value, alarm('tree')];
    assert.deepEqual([watch.standing.value, watch.unread.value.length], ['refused', 1]);
});

test('thirty digits are read in six groups', () => {
    assert.deepEqual(groupDigits('012345678901234567890123456789'), ['01234', '56789', '01234', '56789', '01234', '56789']);
});

test('the others are told that codes differ, once they are resolved too, and whoever is told reads whose word it is', async () => {
    const { watch, said, told, people } = watched();
    await watch.saysDiffers('ann');
    await watch.saysMatches('ann', '1');
    await watch.saysDiffers('ann');
    people.value = new Map([me]);
    assert.deepEqual(said, [true, false, true, false]);
    people.value = new Map([me, person('Dan', { disputes: true })]);
    assert.deepEqual([watch.standing.value, watch.names('disputed')], ['disputed', 'Dan']);
    assert.match(told.at(-1) ?? '', /Dan/);
    people.value = new Map([me]);
    assert.equal(watch.standing.value, 'encrypted', 'when whoever said so has gone');
    people.value = new Map([['me', { ...me[1], disputes: true }]]);
    assert.equal(watch.standing.value, 'encrypted', 'the own word is told by the own state');
});

test('who comes into the group anew and is verified with nobody any more is told, and who is left alone is not', () => {
    const { watch, told, people, state } = watched();
    assert.equal(watch.standing.value, 'verified');
    people.value = new Map([me]);
    assert.deepEqual([watch.standing.value, told], ['encrypted', []]);
    people.value = new Map([me, person('ann', { verified: true })]);
    state.value = 'away';
    people.value = new Map([me, person('ann')]);
    state.value = 'in';
    assert.equal(watch.standing.value, 'encrypted');
    assert.match(told.join(), /^The meeting is not verified any longer.*ann\.$/);
});
