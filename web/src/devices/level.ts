// How loud a microphone is. One shared audio context; one analyser per listener; the caller decides when to read.

let shared: AudioContext | undefined;

/** The page's only audio context. Browsers start it suspended until the first click, so each use asks to resume. */
export function audioContext(): AudioContext {
    shared ??= new AudioContext();
    if (shared.state === 'suspended') void shared.resume().catch(() => undefined);
    return shared;
}

/** Pure: root mean square of samples, mapped from -60..-10 dBFS to 0..1, which fits how speech fills a meter. */
export function levelOf(samples: Float32Array): number {
    let sum = 0;
    for (const s of samples) sum += s * s;
    const rms = Math.sqrt(sum / Math.max(1, samples.length));
    const db = 20 * Math.log10(Math.max(rms, 1e-6));
    return Math.min(1, Math.max(0, (db + 60) / 50));
}

export class LevelReader {
    private readonly source: MediaStreamAudioSourceNode;
    private readonly analyser: AnalyserNode;
    private readonly samples: Float32Array<ArrayBuffer>;

    /** Listens to the track without owning it: the caller stops the track. A reading is of the last `windowSamples` samples. */
    constructor(track: MediaStreamTrack, windowSamples = 1024) {
        const context = audioContext();
        this.source = context.createMediaStreamSource(new MediaStream([track]));
        this.analyser = context.createAnalyser();
        this.analyser.fftSize = windowSamples;
        this.samples = new Float32Array(this.analyser.fftSize);
        this.source.connect(this.analyser);
    }

    read(): number {
        this.analyser.getFloatTimeDomainData(this.samples);
        return levelOf(this.samples);
    }

    /** The largest sample, 0 to 1. */
    peak(): number {
        this.analyser.getFloatTimeDomainData(this.samples);
        return this.samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    }

    close(): void {
        this.source.disconnect();
        this.analyser.disconnect();
    }
}

/**
 * Tells speech from a click or a cough: true when at least `needed` of the last `window` readings were loud. Pure.
 */
export class SpeechGate {
    private readonly recent: boolean[] = [];

    constructor(
        private readonly threshold = 0.45,
        private readonly window = 8,
        private readonly needed = 4,
    ) {}

    push(level: number): boolean {
        this.recent.push(level >= this.threshold);
        if (this.recent.length > this.window) this.recent.shift();
        return this.recent.filter(Boolean).length >= this.needed;
    }

    reset(): void {
        this.recent.length = 0;
    }
}
