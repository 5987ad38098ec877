import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signal } from '@preact/signals';
import { Switch } from '../src/meeting/switch';

/** A change whose end the test decides. */
class Slow {
    calls: boolean[] = [];
    cuts = 0;
    private finish: ((reached: boolean) => void)[] = [];

    /** What is captured, as a test says. */
    readonly track = signal(false);

    readonly control = new Switch(
        (on) => {
            this.calls.push(on);
            return new Promise((resolve) => this.finish.push(resolve));
        },
        () => {
            this.cuts++;
            this.track.value = false;
        },
        this.track,
    );

    async end(reached: boolean): Promise<void> {
        this.track.value = reached;
        this.finish.shift()?.(reached);
        await new Promise((done) => setTimeout(done));
    }
}

test('a switch shows what is, not what was asked for', async () => {
    const slow = new Slow();
    const done = slow.control.set(true);
    assert.deepEqual([slow.control.on.value, slow.control.busy.value], [false, true]);
    await slow.end(true);
    await done;
    assert.deepEqual([slow.control.on.value, slow.control.busy.value], [true, false]);
});

test('switching off cuts at once, even while switching on still runs, and ends off', async () => {
    const slow = new Slow();
    const done = slow.control.set(true);
    void slow.control.set(false);
    assert.deepEqual([slow.cuts, slow.control.on.value], [1, false]);
    await slow.end(true);
    assert.deepEqual(slow.calls, [true, false]);
    await slow.end(false);
    await done;
    assert.equal(slow.control.on.value, false);
});

test('many presses end in the last one with no more changes than needed', async () => {
    const slow = new Slow();
    const done = slow.control.set(true);
    for (const on of [false, true, false, true]) void slow.control.set(on);
    await slow.end(true);
    await done;
    assert.deepEqual([slow.calls.length, slow.control.on.value], [1, true]);
});

test('a failed change shows the state that was reached', async () => {
    const slow = new Slow();
    const done = slow.control.set(true);
    await slow.end(false);
    await done;
    assert.deepEqual([slow.calls.length, slow.control.on.value], [1, false]);
});

test('what is observed while a change runs does not disturb it', async () => {
    const slow = new Slow();
    const done = slow.control.set(true);
    slow.control.observe(false);
    assert.equal(slow.control.isOn, true);
    await slow.end(true);
    await done;
    slow.control.observe(false);
    assert.equal(slow.control.isOn, false);
});

test('what something else switched on is shown as on, and a press switches it off', async () => {
    const slow = new Slow();
    slow.track.value = true;
    assert.deepEqual([slow.control.on.value, slow.control.isOn], [true, false]);
    const done = slow.control.toggle();
    assert.deepEqual([slow.cuts, slow.control.on.value], [1, false]);
    await slow.end(false);
    await done;
    assert.deepEqual(slow.calls, [false]);
});
