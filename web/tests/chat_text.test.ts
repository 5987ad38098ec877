import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHAT_MAX_BYTES, linkify, receiveText } from '../src/meeting/chat_text';

const links = (message: string): string[] => linkify(message).flatMap((s) => (s.kind === 'link' ? [s.text] : []));

test('the parts of a message joined are the message', () => {
    for (const message of [
        '',
        'no link',
        'http://a.b',
        'see https://a.example/x?y=1. And (http://b.example/(z)), ok',
        '<b>http://c.d</b>',
    ]) {
        assert.equal(
            linkify(message)
                .map((s) => s.text)
                .join(''),
            message,
        );
    }
});

test('links end before the punctuation of their sentence', () => {
    assert.deepEqual(links('See https://a.example/x.'), ['https://a.example/x']);
    assert.deepEqual(links('(https://a.example/x)'), ['https://a.example/x']);
    assert.deepEqual(links('https://a.example/wiki/A_(b), and'), ['https://a.example/wiki/A_(b)']);
    assert.deepEqual(links('“https://a.example”!'), ['https://a.example']);
});

test('only http and https addresses without credentials become links', () => {
    for (const bad of [
        'javascript:alert(1)',
        'data:text/html,x',
        'ftp://a.example',
        'https://bank.example@evil.example/',
        'https://',
    ]) {
        assert.deepEqual(links(bad), [], bad);
    }
});

test('markup stays text', () => {
    const message = '<img src=x onerror=alert(1)>';
    assert.deepEqual(linkify(message), [{ kind: 'text', text: message }]);
});

test('a received text loses control characters and what is beyond the limit', () => {
    assert.deepEqual(receiveText('a\u0000b\r\nc\td\u007f'), { text: 'ab\nc\td', cut: false });
    assert.deepEqual(receiveText('x'.repeat(CHAT_MAX_BYTES)), { text: 'x'.repeat(CHAT_MAX_BYTES), cut: false });
    const long = receiveText('x'.repeat(CHAT_MAX_BYTES - 1) + '😀');
    assert.equal(long.cut, true);
    assert.equal(long.text.length, CHAT_MAX_BYTES - 1);
});
