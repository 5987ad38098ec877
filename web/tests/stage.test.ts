import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DominantSpeaker, nextShare, parseTileKey, stageKey, tileKey, type StageInput } from '../src/meeting/stage';

const base: StageInput = {
    mode: 'gallery',
    present: ['me', 'a', 'b'],
    self: 'me',
    shares: [],
    chosenShare: undefined,
    pinned: undefined,
    dominant: undefined,
};

test('a gallery without shares and pins has no stage', () => {
    assert.equal(stageKey(base), undefined);
});

test('the latest screen of somebody else takes the stage', () => {
    assert.equal(stageKey({ ...base, shares: ['a', 'b'] }), tileKey('b', 'screen_share'));
});

test('the next screen can be chosen, and a choice that ended falls back', () => {
    assert.equal(nextShare(['a', 'b'], 'b'), 'a');
    assert.equal(nextShare(['a', 'b'], 'a'), 'b');
    assert.equal(nextShare([], 'a'), undefined);
    assert.equal(stageKey({ ...base, shares: ['a', 'b'], chosenShare: 'a' }), tileKey('a', 'screen_share'));
    assert.equal(stageKey({ ...base, shares: ['b'], chosenShare: 'a' }), tileKey('b', 'screen_share'));
});

test('a pin goes before a screen, while the pinned person is here', () => {
    const pinned = tileKey('a', 'camera');
    assert.equal(stageKey({ ...base, shares: ['b'], pinned }), pinned);
    assert.equal(stageKey({ ...base, present: ['me', 'b'], shares: ['b'], pinned }), tileKey('b', 'screen_share'));
    assert.equal(stageKey({ ...base, pinned: tileKey('a', 'screen_share') }), undefined);
});

test('speaker view shows who speaks, somebody else before anybody spoke, and nobody when alone', () => {
    const speaker: StageInput = { ...base, mode: 'speaker' };
    assert.equal(stageKey({ ...speaker, dominant: 'b' }), tileKey('b', 'camera'));
    assert.equal(stageKey(speaker), tileKey('a', 'camera'));
    assert.equal(stageKey({ ...speaker, dominant: 'gone' }), tileKey('a', 'camera'));
    assert.equal(stageKey({ ...speaker, present: ['me'] }), undefined);
});

test('identities survive in tile keys whatever they contain', () => {
    assert.deepEqual(parseTileKey(tileKey('a|b', 'camera')), { identity: 'a|b', source: 'camera' });
});

test('a new voice takes over at once in silence', () => {
    const talk = new DominantSpeaker(800);
    talk.update(['a'], 0);
    talk.update([], 100);
    assert.equal(talk.current, 'a');
    assert.equal(talk.update(['b'], 200), undefined);
    assert.equal(talk.current, 'b');
});

test('an interjection does not take over, a lasting voice does', () => {
    const talk = new DominantSpeaker(800);
    talk.update(['a'], 0);
    assert.equal(talk.update(['b', 'a'], 100), 800);
    assert.equal(talk.current, 'a');
    talk.update(['a', 'b'], 300);
    assert.equal(talk.current, 'a');
    talk.update(['b', 'a'], 400);
    assert.equal(talk.update(['b', 'a'], 1000), 200);
    assert.equal(talk.current, 'a');
    assert.equal(talk.update(['b', 'a'], 1200), undefined);
    assert.equal(talk.current, 'b');
});
