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
