import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanName, DEFAULTS, NAME_MAX_CHARS, parseSettings } from '../src/app/settings';

test('missing, damaged and foreign entries give the defaults', () => {
    for (const json of [null, '', '{', '[]', '3', 'null', '{"theme":"pink","micOn":"yes","name":5}']) {
        assert.deepEqual(parseSettings(json), DEFAULTS, String(json));
    }
});

test('what was stored is read back', () => {
    const stored = {
        ...DEFAULTS,
        name: 'Ann',
        cameraOn: false,
        theme: 'dark' as const,
        micId: 'abc',
        shortcuts: false,
    };
    assert.deepEqual(parseSettings(JSON.stringify(stored)), stored);
});

test('a name has no control or direction characters, single spaces and a bounded length', () => {
    assert.equal(cleanName('  Ann \t\n Lee '), 'Ann Lee');
    assert.equal(cleanName('A\u202eB\u0000C'), 'A B C');
    assert.equal([...cleanName('😀'.repeat(200))].length, NAME_MAX_CHARS);
    assert.equal(cleanName(' \u200b '), '');
    assert.equal(cleanName('👩\u200d💻'), '👩\u200d💻');
});

test('a name of which nothing can be seen is none, and one that can is left as it is', () => {
    const nothing = ['\u3164', '\u115f\u1160', '\uffa0', '\u2800\u2800', '\u200d\u200c', '\u034f', '\ufe0f', '\u{e0041}\u{e0042}', '\u0301', '\u00a0', ' \u3164 \u200d '];
    assert.deepEqual(nothing.map(cleanName), nothing.map(() => ''));
    for (const name of ['Ann', '李', 'فاطمة', '🙂', '👩\u200d🚀', '.', '7', 'न\u094d\u200dय', '한\u3164']) assert.equal(cleanName(name), name);
});
