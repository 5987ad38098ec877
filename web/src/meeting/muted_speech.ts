// Notices that somebody speaks into a muted microphone, to tell them. It listens to a copy of the track inside this
// page; nothing of it is sent, and it stops with the mute.
import { signal, type ReadonlySignal } from '@preact/signals';
import { LevelReader, SpeechGate } from '../devices/level';

/** Often enough for a word, rare enough to cost nothing. */
const PERIOD_MS = 150;
const SHOWN_MS = 6_000;

export class MutedSpeechWatch {
    private readonly state = signal(false);
    private readonly gate = new SpeechGate();
    private source: MediaStreamTrack | undefined;
    private copy: MediaStreamTrack | undefined;
    private reader: LevelReader | undefined;
    private timer: ReturnType<typeof setInterval> | undefined;
    private hideAtMs = 0;

    readonly heard: ReadonlySignal<boolean> = this.state;

    /** Starts on the track, or goes on if it is already listening to it. */
    start(track: MediaStreamTrack): void {
        if (this.source === track) return;
        this.stop();
        this.source = track;
        this.copy = track.clone();
        // The muted original is disabled, and a copy is born the same.
        this.copy.enabled = true;
        this.reader = new LevelReader(this.copy);
        this.timer = setInterval(() => this.check(), PERIOD_MS);
    }

    stop(): void {
        clearInterval(this.timer);
        this.reader?.close();
        this.copy?.stop();
        this.reader = undefined;
        this.copy = undefined;
        this.source = undefined;
        this.gate.reset();
        this.state.value = false;
    }

    private check(): void {
        const now = performance.now();
        if (this.reader && this.gate.push(this.reader.read())) {
            this.hideAtMs = now + SHOWN_MS;
            this.state.value = true;
        } else if (now > this.hideAtMs) {
            this.state.value = false;
        }
    }
}
