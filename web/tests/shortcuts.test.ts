import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionOf, isTyping, keysOf, type KeyPress } from '../src/meeting/shortcuts';

const press = (key: string, held: Partial<KeyPress> = {}): KeyPress => ({
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    shiftKey: false,
    repeat: false,
    ...held,
});

test('the listed keys do what is listed', () => {
    assert.equal(actionOf(press('d', { ctrlKey: true }), false), 'mic');
    assert.equal(actionOf(press('e', { ctrlKey: true }), false), 'camera');
    assert.equal(actionOf(press('M', { ctrlKey: true, shiftKey: true }), false), 'chat');
    assert.equal(actionOf(press('L', { ctrlKey: true, shiftKey: true }), false), 'people');
    assert.equal(actionOf(press('F', { ctrlKey: true, shiftKey: true }), false), 'fullscreen');
    assert.equal(actionOf(press('?', { shiftKey: true }), false), 'help');
});

test('no shortcut is one that a browser keeps for itself', () => {
    for (const key of ['n', 't', 'w', 'p']) {
        for (const mac of [false, true]) {
            assert.equal(actionOf(press(key, { ctrlKey: !mac, metaKey: mac, shiftKey: true }), mac), undefined, key);
            assert.equal(actionOf(press(key, { ctrlKey: !mac, metaKey: mac }), mac), undefined, key);
        }
    }
});

test('a Mac uses its command key', () => {
    assert.equal(actionOf(press('d', { metaKey: true }), true), 'mic');
    assert.equal(actionOf(press('d', { metaKey: true }), false), undefined);
    assert.equal(keysOf('mic', true), '⌘+D');
    assert.equal(keysOf('mic', false), 'Ctrl+D');
    assert.equal(keysOf('chat', false), 'Ctrl+Shift+M');
});

test('other combinations are left alone', () => {
    assert.equal(actionOf(press('d'), false), undefined);
    assert.equal(actionOf(press('d', { ctrlKey: true, altKey: true }), false), undefined);
    assert.equal(actionOf(press('d', { ctrlKey: true, shiftKey: true }), false), undefined);
    assert.equal(actionOf(press('d', { ctrlKey: true, repeat: true }), false), undefined);
    assert.equal(actionOf(press('m', { ctrlKey: true }), false), undefined);
});

test('shortcuts rest in text fields and nowhere else', () => {
    assert.equal(isTyping({ tagName: 'TEXTAREA' }), true);
    assert.equal(isTyping({ tagName: 'input', type: 'search' }), true);
    assert.equal(isTyping({ tagName: 'INPUT', type: 'checkbox' }), false);
    assert.equal(isTyping({ tagName: 'DIV', isContentEditable: true }), true);
    assert.equal(isTyping({ tagName: 'BUTTON' }), false);
    assert.equal(isTyping(null), false);
});
