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
