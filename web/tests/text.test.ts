import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanName } from '../src/app/settings';
import { initials } from '../src/meeting/avatar';
import { CHAT_MAX_BYTES, fileName, FILE_NAME_MAX_BYTES, receiveText, roomLeft } from '../src/meeting/chat_text';
import { cutText, firstGrapheme, graphemes, utf8Length } from '../src/ui/text';

const FAMILY = '👨\u200d👩\u200d👧';
const FLAG = '🇺🇦';
const ACCENTED = 'e\u0301';
const SKIN = '👍🏽';
const WHOLE = [FAMILY, FLAG, ACCENTED, SKIN, 'x', '漢', 'ก็'];

test('a character of many code points is one, with a segmenter and without', () => {
    for (const segments of [new Intl.Segmenter(undefined, { granularity: 'grapheme' }), undefined]) {
        const split = [...graphemes(WHOLE.join(''), segments as Intl.Segmenter)];
        assert.deepEqual(split, WHOLE);
    }
    assert.equal(firstGrapheme(''), '');
});

test('no cut of a text breaks a character or is longer than it may be', () => {
    const text = WHOLE.join('').repeat(3);
    for (let bytes = 0; bytes <= utf8Length(text); bytes++) {
        const cut = cutText(text, bytes);
        assert.ok(utf8Length(cut) <= bytes && text.startsWith(cut));
        assert.deepEqual([...graphemes(cut)], [...graphemes(text)].slice(0, [...graphemes(cut)].length));
    }
    assert.equal(cutText(text, Infinity, 2), FAMILY + FLAG);
});

test('a person without picture is shown by whole characters of the name', () => {
    assert.equal(initials(`${FAMILY} ${FLAG}`), FAMILY + FLAG);
    assert.equal(initials(`${ACCENTED}va Lee`), `${ACCENTED}L`.toLocaleUpperCase());
});

test('a long name ends between characters, within what the group carries', () => {
    const name = cleanName(FAMILY.repeat(70));
    assert.ok(utf8Length(name) <= 256);
    assert.equal(name, FAMILY.repeat(14));
});

test('a message may be as long in every script as the group carries, and says how much too long it is', () => {
    assert.deepEqual(receiveText('漢'.repeat(2600)), { text: '漢'.repeat(2600), cut: false });
    assert.equal(roomLeft('漢'.repeat(2000)), undefined);
    assert.equal(roomLeft('漢'.repeat(2600)), 66);
    assert.equal(roomLeft('漢'.repeat(2700)), -34);
    assert.equal(roomLeft('x'.repeat(CHAT_MAX_BYTES + 5)), -5);
    assert.equal(roomLeft('x'.repeat(CHAT_MAX_BYTES)), 0);
});

test('a long name of a file is within what the group carries, whole in its characters, and keeps its ending', () => {
    assert.equal(fileName('漢'.repeat(80) + '.pdf'), '漢'.repeat(80) + '.pdf');
    for (const part of ['漢', FAMILY, ACCENTED]) {
        const name = fileName(part.repeat(300) + '.tar.xz');
        assert.ok(utf8Length(name) <= FILE_NAME_MAX_BYTES && name.endsWith('….xz'), name);
        assert.equal(name.replace('….xz', '').replaceAll(part, ''), '');
    }
    assert.ok(utf8Length(fileName('a.' + 'x'.repeat(900))) <= FILE_NAME_MAX_BYTES);
    assert.equal(fileName('..\\x/\u202ey'), '.._x__y');
    assert.equal(fileName(' \n '), '_');
    assert.equal(fileName(''), 'file');
});
