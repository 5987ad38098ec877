// A switch whose effect takes time. Presses are never lost and never pile up: one change runs at a time, and the switch
// ends in the state that was wanted last, or in the state that was reached when the change failed.
//
// What it shows is not what was wanted but what is: `shown` is read from the track itself, so that nothing can be on that is shown as off.
import { signal, type ReadonlySignal } from '@preact/signals';

export class Switch {
    private readonly wanted = signal(false);
    private readonly working = signal(false);

    readonly busy: ReadonlySignal<boolean> = this.working;

    /**
     * `apply` makes the change and returns the state reached. `cut` runs at once on every switching off, before
     * anything waits: what people switch off must stop that moment. `on` is what people see: the state of what is sent.
     */
    constructor(
        private readonly apply: (on: boolean) => Promise<boolean>,
        private readonly cut: () => void,
        readonly on: ReadonlySignal<boolean>,
    ) {}

    /** The state that was wanted last, unless it could not be reached. */
    get isOn(): boolean {
        return this.wanted.peek();
    }

    /** What a press means: off, when it is on or about to be; else on. */
    toggle(): Promise<void> {
        return this.set(!(this.wanted.peek() || this.on.peek()));
    }

    /** A state that came about by other means is the one that is wanted now. */
    observe(on: boolean): void {
        if (!this.working.peek()) this.wanted.value = on;
    }

    async set(on: boolean): Promise<void> {
        this.wanted.value = on;
        if (!on) this.cut();
        if (this.working.peek()) return;
        this.working.value = true;
        try {
            let reached: boolean | undefined;
            while (reached !== this.isOn) {
                const goal = this.isOn;
                reached = await this.apply(goal);
                if (reached !== goal && this.isOn === goal) this.wanted.value = reached;
            }
        } finally {
            this.working.value = false;
        }
    }
}
