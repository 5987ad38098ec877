// A switch whose effect takes time. Presses are never lost and never pile up: one change runs at a time, and the switch
// ends in the state that was wanted last, or in the state that was reached when the change failed.
import { signal, type ReadonlySignal } from '@preact/signals';

export class Switch {
    private readonly wanted = signal(false);
    private readonly working = signal(false);

    /** What people see: the state wanted, until a failure takes it back. */
    readonly on: ReadonlySignal<boolean> = this.wanted;
    readonly busy: ReadonlySignal<boolean> = this.working;

    /**
     * `apply` makes the change and returns the state reached. `cut` runs at once on every switching off, before
     * anything waits: what people switch off must stop that moment.
     */
    constructor(
        private readonly apply: (on: boolean) => Promise<boolean>,
        private readonly cut: () => void,
    ) {}

    get isOn(): boolean {
        return this.wanted.peek();
    }

    /** Records a state that came about by other means, without applying anything. */
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
