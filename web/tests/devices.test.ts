import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT_MS, SilenceGate } from '../src/devices/silence';
import {
    causeOf,
    MediaUnavailable,
    problemSteps,
    problemTitle,
    screenProblem,
    type DeviceCause,
} from '../src/devices/errors';
import { levelOf, SpeechGate } from '../src/devices/level';
import { choicesOf, lostChoice, usable } from '../src/devices/list';
import { detectPlatform, type Platform } from '../src/devices/platform';

const failure = (name: string, message = ''): { name: string; message: string } => ({ name, message });

test('each way a device fails is told apart', () => {
    const cases: [unknown, DeviceCause][] = [
        [failure('NotAllowedError', 'Permission denied'), 'denied'],
        [failure('NotAllowedError', 'Permission dismissed'), 'dismissed'],
        [failure('NotAllowedError', 'Permission denied by system'), 'blocked_os'],
        [failure('NotAllowedError', 'The request is not allowed by the user agent or the platform.'), 'denied'],
        [failure('NotFoundError', 'Requested device not found'), 'not_found'],
        [failure('OverconstrainedError'), 'not_found'],
        [failure('NotReadableError', 'Could not start video source'), 'in_use'],
        [failure('AbortError', 'Starting videoinput failed'), 'in_use'],
        [failure('SecurityError'), 'denied'],
        [new MediaUnavailable(false), 'insecure'],
        [new MediaUnavailable(true), 'unsupported'],
        [failure('TypeError'), 'unknown'],
        [undefined, 'unknown'],
        ['text', 'unknown'],
    ];
    for (const [error, cause] of cases) assert.equal(causeOf(error), cause, JSON.stringify(error));
});

test('closing the screen picker is no failure, a block by the system is', () => {
    assert.equal(screenProblem(failure('NotAllowedError', 'Permission denied')), undefined);
    assert.equal(screenProblem(failure('NotAllowedError', 'Permission denied by system'))?.cause, 'blocked_os');
    assert.equal(screenProblem(failure('NotReadableError', 'x'))?.cause, 'in_use');
});

test('every cause has a title and steps for every platform', () => {
    const causes: DeviceCause[] = [
        'denied',
        'dismissed',
        'blocked_os',
        'not_found',
        'in_use',
        'insecure',
        'unsupported',
        'unknown',
    ];
    for (const browser of ['chrome', 'firefox', 'safari', 'other'] as const) {
        for (const system of ['mac', 'windows', 'android', 'ios', 'linux'] as const) {
            const platform: Platform = { browser, system };
            for (const cause of causes) {
                assert.ok(problemTitle({ kind: 'camera', cause }).includes('camera'));
                assert.ok(problemSteps({ kind: 'camera', cause }, platform).length > 0);
            }
        }
    }
});

test('browsers and systems are recognised, an iPad that calls itself a Mac too', () => {
    const mac =
        'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15';
    assert.deepEqual(detectPlatform(mac, 0), { browser: 'safari', system: 'mac' });
    assert.deepEqual(detectPlatform(mac, 5), { browser: 'safari', system: 'ios' });
    const android =
        'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36';
    assert.deepEqual(detectPlatform(android), { browser: 'chrome', system: 'android' });
    const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0';
    assert.deepEqual(detectPlatform(firefox), { browser: 'firefox', system: 'windows' });
});

test('aliases, placeholders and hardware numbers are left out of the choices', () => {
    const list = [
        { kind: 'audioinput', deviceId: 'default', label: 'Default - Headset (046d:0a44)' },
        { kind: 'audioinput', deviceId: 'communications', label: 'Communications - Headset' },
        { kind: 'audioinput', deviceId: 'h', label: 'Headset (046d:0a44)' },
        { kind: 'audioinput', deviceId: 'b', label: '' },
        { kind: 'videoinput', deviceId: '', label: '' },
    ];
    const choices = choicesOf(list, 'audioinput', (n) => `Microphone ${n}`);
    assert.deepEqual(
        choices.map((c) => [c.id, c.label]),
        [
            ['h', 'Headset'],
            ['b', 'Microphone 2'],
        ],
    );
    assert.deepEqual(choicesOf(list, 'videoinput', String), []);
    assert.equal(choicesOf(list.slice(0, 1), 'audioinput', String).length, 1);
});

test('the unplugged device is named when it was the one in use', () => {
    const headset = { id: 'h', label: 'Headset', kind: 'audioinput' as const };
    const built = { id: 'b', label: 'Built-in', kind: 'audioinput' as const };
    assert.equal(lostChoice([headset, built], [built], 'h'), headset);
    assert.equal(lostChoice([headset, built], [built], 'b'), undefined);
    assert.equal(lostChoice([headset], [built], ''), undefined);
    assert.equal(usable([built], 'h'), '');
    assert.equal(usable([built], 'b'), 'b');
});

test('silence is 0, a loud voice fills the meter, and the level never leaves 0 to 1', () => {
    assert.equal(levelOf(new Float32Array(256)), 0);
    assert.equal(levelOf(new Float32Array(256).fill(1)), 1);
    const speech = levelOf(new Float32Array(256).map((_, i) => 0.05 * Math.sin(i)));
    assert.ok(speech > 0.4 && speech < 0.9, String(speech));
    assert.equal(levelOf(new Float32Array(0)), 0);
});

test('a single click is not speech, a second of voice is', () => {
    const gate = new SpeechGate(0.5, 8, 4);
    assert.equal(gate.push(1), false);
    for (let i = 0; i < 8; i++) assert.equal(gate.push(0), false);
    assert.deepEqual(
        [1, 1, 1, 1].map((level) => gate.push(level)),
        [false, false, false, true],
    );
    gate.reset();
    assert.equal(gate.push(1), false);
});

test('a microphone is called silent once, after seconds without any sound, and never when one was heard', () => {
    const run = (peaks: (ms: number) => number, seconds: number, stepMs = 250): number => {
        const gate = new SilenceGate();
        let said = 0;
        for (let ms = 0; ms <= seconds * 1000; ms += stepMs) if (gate.push(peaks(ms), ms)) said++;
        return said;
    };
    assert.equal(run(() => 0, SILENT_MS / 1000 - 1), 0);
    assert.equal(run(() => 0, 60), 1);
    assert.equal(run((ms) => (ms === 1500 ? 0.0001 : 0), 60), 0, 'the noise of a room, or of one behind a noise gate');
    assert.equal(run((ms) => (ms > 20_000 ? 0.5 : 0), 60), 1);
    assert.equal(run(() => 0, 60, 30_000), 0, 'a page that slept has not listened');
});
