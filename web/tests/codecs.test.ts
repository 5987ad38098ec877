import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canSend, canShow } from '../src/secure/codecs';

const all = ['video/vp8', 'video/vp9', 'video/h264', 'video/av1'];

test('AV1 is sent and shown only with the dependency descriptor', () => {
    for (const descriptor of [false, true]) {
        const abilities = { sends: all, shows: all, descriptor };
        assert.equal(canSend('av1', abilities), descriptor);
        assert.equal(canShow('video/AV1', abilities), descriptor);
    }
});

test('a codec that the browser lacks is neither sent nor shown', () => {
    const abilities = { sends: all.slice(0, 1), shows: all.slice(0, 2), descriptor: true };
    assert.deepEqual([canSend('vp8', abilities), canSend('vp9', abilities), canSend('h264', abilities)], [true, false, false]);
    assert.deepEqual([canShow('video/vp9', abilities), canShow('video/h264', abilities)], [true, false]);
});

test('of a browser that does not say, VP8 is taken for granted and nothing else', () => {
    assert.deepEqual([canSend('vp8'), canSend('vp9'), canShow('video/vp8'), canShow('video/av1')], [true, false, true, false]);
    assert.equal(canShow(''), true);
});
