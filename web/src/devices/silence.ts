// Notices that no sound at all comes from a microphone that is on: it is muted at the device or in the system, or another one is meant.
//
// A quiet room is not silence: every working microphone gives noise. Whoever has a noise gate gives none until they speak, so one sound
// settles it for good, and it takes seconds without any before a person is told.
import { audioContext, LevelReader } from './level';

/** Half a step of 16-bit sound: what is below was not there. */
const NOTHING_PEAK = 1 / 65_536;
/** Longer than devices need to start and people to take breath; short enough to be told before having talked for long. */
export const SILENT_MS = 8_000;
const PERIOD_MS = 250;
/** At 48 kHz a third of a second, so that readings leave no gap. */
const WINDOW_SAMPLES = 16_384;
/** A page that slept has not listened meanwhile: longer steps count as this. */
const STEP_MAX_MS = 2 * PERIOD_MS;

/** Answers true once, when nothing was heard for `silentMs`; never when anything was. Pure. */
export class SilenceGate {
    private settled = false;
    private silentForMs = 0;
    private lastMs: number | undefined;

    constructor(private readonly silentMs = SILENT_MS) {}

    push(peak: number, nowMs: number): boolean {
        const stepMs = this.lastMs === undefined ? 0 : Math.min(nowMs - this.lastMs, STEP_MAX_MS);
        this.lastMs = nowMs;
        if (this.settled) return false;
        if (peak > NOTHING_PEAK) {
            this.settled = true;
            return false;
        }
        this.silentForMs += stepMs;
        this.settled = this.silentForMs >= this.silentMs;
        return this.settled;
    }
}

export class SilenceWatch {
    private track: MediaStreamTrack | undefined;
    private gate = new SilenceGate();
    private reader: LevelReader | undefined;
    private timer: ReturnType<typeof setInterval> | undefined;

    constructor(private readonly onSilent: () => void) {}

    /** Listens to the microphone that is on now; undefined while none is. */
    follow(track: MediaStreamTrack | undefined): void {
        if (this.track === track) return;
        this.stop();
        if (!track) return;
        this.track = track;
        this.gate = new SilenceGate();
        this.reader = new LevelReader(track, WINDOW_SAMPLES);
        this.timer = setInterval(() => this.check(), PERIOD_MS);
    }

    stop(): void {
        clearInterval(this.timer);
        this.reader?.close();
        this.reader = undefined;
        this.track = undefined;
    }

    private check(): void {
        // what does not run hears nothing, whatever the microphone gives
        if (!this.reader || !this.track || this.track.readyState !== 'live' || audioContext().state !== 'running') return;
        if (this.gate.push(this.reader.peak(), performance.now())) this.onSilent();
    }
}
