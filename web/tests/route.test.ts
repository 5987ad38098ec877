import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMeetingInput, parseRoute } from '../src/app/route';

const ORIGIN = 'https://meet.example.org';
const ID = 'q3Zr9-_vXk0aBcDeFgHiJk';

test('the start page, a meeting and anything else are told apart', () => {
    assert.deepEqual(parseRoute('/'), { page: 'landing' });
    assert.deepEqual(parseRoute(`/m/${ID}`), { page: 'meeting', id: ID });
    assert.deepEqual(parseRoute(`/m/${ID}/`), { page: 'meeting', id: ID });
    assert.deepEqual(parseRoute('/m/'), { page: 'unknown' });
    assert.deepEqual(parseRoute('/m/a%2Fb%3Fccccc'), { page: 'unknown' });
    assert.deepEqual(parseRoute('/elsewhere'), { page: 'unknown' });
});

test('a link, a link without scheme, a path and a bare code lead to the same meeting', () => {
    const forms = [
        `${ORIGIN}/m/${ID}`,
        `  ${ORIGIN}/m/${ID}/ `,
        `<${ORIGIN}/m/${ID}>`,
        `HTTPS://MEET.example.org/m/${ID}?utm=1`,
        `meet.example.org/m/${ID}`,
        `/m/${ID}`,
        ID,
        ` ${ID}\n`,
    ];
    for (const form of forms) {
        assert.deepEqual(parseMeetingInput(form, ORIGIN), { kind: 'meeting', id: ID, hash: '' }, form);
    }
});

test('the fragment of a link is kept', () => {
    assert.deepEqual(parseMeetingInput(`${ORIGIN}/m/${ID}#k=abc`, ORIGIN), { kind: 'meeting', id: ID, hash: '#k=abc' });
    assert.deepEqual(parseMeetingInput(`${ID}#k=abc`, ORIGIN), { kind: 'meeting', id: ID, hash: '#k=abc' });
});

test('a link to another server is named and not followed', () => {
    const input = parseMeetingInput(`https://other.example/m/${ID}#k=1`, ORIGIN);
    assert.deepEqual(input, { kind: 'elsewhere', host: 'other.example', href: `https://other.example/m/${ID}#k=1` });
});

test('what cannot be a meeting is refused with its kind', () => {
    assert.deepEqual(parseMeetingInput('   ', ORIGIN), { kind: 'empty' });
    for (const wrong of [
        'abc',
        'hello!',
        `${ORIGIN}/`,
        'javascript:alert(1)',
        `${ORIGIN}/m/..%2f..%2fetc`,
        'x'.repeat(3000),
    ]) {
        assert.equal(parseMeetingInput(wrong, ORIGIN).kind, 'invalid', wrong.slice(0, 40));
    }
});

const KEY = `k=${'A'.repeat(43)}&o=${'A'.repeat(22)}&w=${'A'.repeat(43)}&j=1`;

test('a link is found in the message that it was sent in', () => {
    const whole = { kind: 'meeting', id: ID, hash: `#${KEY}` };
    for (const message of [
        `Join: ${ORIGIN}/m/${ID}#${KEY}`,
        `See you at ${ORIGIN}/m/${ID}#${KEY}. Ann`,
        `Hi Bob,\nwe meet here:\n<${ORIGIN}/m/${ID}#${KEY}>\nat 9, see also https://example.org/map`,
        `meet.example.org/m/${ID}#${KEY} (Ann)`,
        `${ORIGIN}/m/${ID}#${KEY.slice(0, 20)}\n${KEY.slice(20)}`,
    ]) {
        assert.deepEqual(parseMeetingInput(message, ORIGIN), whole, message);
    }
    assert.deepEqual(parseMeetingInput(`Join: ${ORIGIN}/m/${ID}`, ORIGIN), { kind: 'meeting', id: ID, hash: '' });
    assert.equal(parseMeetingInput(`Join: https://other.example/m/${ID}#${KEY}`, ORIGIN).kind, 'elsewhere');
});

test('where the key of a meeting is missing, it may be given alone', () => {
    for (const part of [`#${KEY}`, KEY, `${ORIGIN}/m/${ID}#${KEY}`]) {
        assert.deepEqual(parseMeetingInput(part, ORIGIN, ID), { kind: 'meeting', id: ID, hash: `#${KEY}` }, part);
    }
    assert.deepEqual(parseMeetingInput(`${KEY}&s=1`, ORIGIN, ID), { kind: 'meeting', id: ID, hash: `#${KEY}&s=1` });
    assert.equal(parseMeetingInput('#k=short', ORIGIN, ID).kind, 'invalid');
});
