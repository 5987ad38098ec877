// Frames between encoder and network, and between network and decoder, in the worker. A frame passes only sealed, or opened; all others
// are dropped and counted.
import { CODECS, FrameError, FrameOpener, FrameSealer, KINDS, TYPES } from '../../e2ee/frames';
import type { Module } from '../../e2ee/module';
import { SOURCES, type FrameCounts, type TransformOptions } from './messages';

/** The parts of RTCEncodedAudioFrame and RTCEncodedVideoFrame that are used. */
export interface EncodedFrame {
    data: ArrayBuffer;
    readonly type?: string;
    getMetadata(): { payloadType?: number; mimeType?: string };
}

export interface FrameSink {
    enqueue(frame: EncodedFrame): void;
}

/** What a script transform gives; where it is missing the far end of `RTCRtpSender.createEncodedStreams`. */
export interface Transformer {
    generateKeyFrame?(rid?: string): Promise<unknown>;
    sendKeyFrameRequest?(): Promise<unknown>;
}

export interface PipeListener {
    /** The first frame of a track, for whom it belongs to now, was opened. */
    opened(trackId: string): void;
}

interface Pipe {
    readonly opening: boolean;
    transformer: Transformer | undefined;
    identity: string;
    source: number;
    trackId: string;
    mimeType: string;
    told: boolean;
    /** A picture is missing since then: deltas that follow cannot be shown until a key frame. */
    broken: boolean;
    askedMs: number;
    waitedMs: number;
    failures: number[];
}

const KIND_OF_SOURCE: Record<number, number> = {
    [SOURCES.microphone]: KINDS.audio,
    [SOURCES.camera]: KINDS.video,
    [SOURCES.screen]: KINDS.screen,
    [SOURCES.screenSound]: KINDS.screenAudio,
};
const CODEC_OF_MIME: Record<string, number> = {
    'audio/opus': CODECS.opus,
    'video/vp8': CODECS.vp8,
    'video/vp9': CODECS.vp9,
    'video/h264': CODECS.h264,
    'video/av1': CODECS.av1,
};
/** A frame of an epoch whose commit is on its way is held so long (sframe_keys.h: SFRAME_BUFFER_US). */
const HOLD_MS = 500;
/** A track is called undecryptable when so many frames failed within so long. */
const FAILING_COUNT = 5;
export const FAILING_MS = 3000;
const ASK_EVERY_MS = 500;
/** Not failures of a track that is in order: gaps made by jitter buffers, and what the network repeats or delays. */
const HARMLESS = new Set(['EMPTY', 'REPLAYED', 'TOO_OLD']);

export class FramePipes {
    private sealer: FrameSealer;
    private opener: FrameOpener;
    private readonly pipes = new Map<number, Pipe>();
    private readonly leaves = new Map<string, number>();
    private readonly contexts = new Map<string, Map<number, number>>();
    private readonly sendTypes = new Map<number, string>();
    private readonly underWay = new Set<Promise<unknown>>();
    private readonly keyWaiters = new Set<() => void>();
    readonly counts: FrameCounts = { sealed: 0, opened: 0, withheld: 0, refused: {} };

    constructor(
        private readonly module: Module,
        private readonly listener: PipeListener,
    ) {
        this.sealer = new FrameSealer(module);
        this.opener = new FrameOpener(module);
    }

    /** All keys go, as soon as no frame is under way with them; for a new group. */
    reset(): void {
        const { sealer, opener } = this;
        void Promise.allSettled([...this.underWay]).then(() => {
            sealer.free();
            opener.free();
        });
        this.leaves.clear();
        this.contexts.clear();
        this.sealer = new FrameSealer(this.module);
        this.opener = new FrameOpener(this.module);
        for (const pipe of this.pipes.values()) pipe.told = false;
    }

    // ---- keys and people, from the group ----

    /** For opening at once, for sealing from `switchTo` on and never by itself: the commit may be withdrawn. Wipes `key`. */
    install(epoch: bigint, ownLeaf: number, key: Uint8Array): void {
        try {
            this.sealer.install(epoch, ownLeaf, key, Infinity);
            this.opener.install(epoch, ownLeaf, key, Infinity);
        } finally {
            key.fill(0);
        }
        for (const wake of [...this.keyWaiters]) wake();
    }

    switchTo(epoch: bigint): void {
        this.sealer.switchTo(epoch);
        this.opener.switchTo(epoch);
    }

    /** The commit of this epoch was withdrawn. */
    drop(epoch: bigint): void {
        this.sealer.withdraw(epoch);
        this.opener.withdraw(epoch);
    }

    step(): void {
        this.sealer.step();
        this.opener.step();
    }

    setLeaves(leaves: Iterable<[string, number]>): void {
        this.leaves.clear();
        for (const [identity, leaf] of leaves) this.leaves.set(identity, leaf);
    }

    announced(identity: string, context: number, source: number): void {
        const known = this.contexts.get(identity) ?? new Map<number, number>();
        known.set(source, context);
        this.contexts.set(identity, known);
    }

    gone(identity: string): void {
        this.leaves.delete(identity);
        this.contexts.delete(identity);
    }

    // ---- pipes, from the page ----

    private pipe(id: number, opening: boolean): Pipe {
        let pipe = this.pipes.get(id);
        if (!pipe) {
            pipe = {
                opening, transformer: undefined, identity: '', source: 0, trackId: '', mimeType: '', told: false, broken: false,
                askedMs: 0, waitedMs: 0, failures: [],
            };
            this.pipes.set(id, pipe);
        }
        return pipe;
    }

    setTrack(id: number, opening: boolean, identity: string, source: number, trackId: string, mimeType: string): void {
        const pipe = this.pipe(id, opening);
        const same = pipe.identity === identity && pipe.source === source && pipe.trackId === trackId;
        Object.assign(pipe, { identity, source, trackId, mimeType: mimeType.toLowerCase() });
        if (same) return;
        pipe.told = false;
        pipe.failures = [];
    }

    setSendTypes(types: Iterable<[number, string]>): void {
        for (const [type, mime] of types) this.sendTypes.set(type, mime.toLowerCase());
    }

    /** Sources of what we send. */
    sentSources(): Map<number, string> {
        const sources = new Map<number, string>();
        for (const pipe of this.pipes.values()) if (!pipe.opening && pipe.source !== 0) sources.set(pipe.source, pipe.mimeType);
        return sources;
    }

    /** Runs until the streams end. */
    async run(
        options: TransformOptions,
        readable: ReadableStream,
        writable: WritableStream,
        transformer?: Transformer,
    ): Promise<void> {
        const pipe = this.pipe(options.id, options.opening);
        pipe.transformer = transformer;
        const through = new TransformStream<EncodedFrame, EncodedFrame>({
            transform: (frame, sink) => (options.opening ? this.open(pipe, frame, sink) : this.seal(pipe, frame, sink)),
        });
        try {
            await readable.pipeThrough(through).pipeTo(writable);
        } catch {
            // The peer connection was closed.
        }
        this.pipes.delete(options.id);
    }

    /** Somebody came: without a key frame of ours under the new key they would see nothing. */
    makeKeyFrames(): void {
        for (const pipe of this.pipes.values()) {
            if (pipe.opening || (pipe.source !== SOURCES.camera && pipe.source !== SOURCES.screen)) continue;
            void pipe.transformer?.generateKeyFrame?.().catch(() => undefined);
        }
    }

    /** Identities in the group some of whose frames could not be opened lately. */
    failing(nowMs: number): string[] {
        const found = new Set<string>();
        for (const pipe of this.pipes.values()) {
            pipe.failures = pipe.failures.filter((at) => at > nowMs - FAILING_MS);
            if (pipe.failures.length >= FAILING_COUNT && this.leaves.has(pipe.identity)) found.add(pipe.identity);
        }
        return [...found];
    }

    // ---- frames ----

    private async finished<T>(work: Promise<T>): Promise<T> {
        this.underWay.add(work);
        try {
            return await work;
        } finally {
            this.underWay.delete(work);
        }
    }

    private codecOf(pipe: Pipe, frame: EncodedFrame): number | undefined {
        if (pipe.source === SOURCES.microphone || pipe.source === SOURCES.screenSound) return CODECS.opus;
        const { mimeType, payloadType } = frame.getMetadata();
        const mime =
            mimeType?.toLowerCase() ??
            (!pipe.opening && payloadType !== undefined ? this.sendTypes.get(payloadType) : undefined) ??
            pipe.mimeType;
        return CODEC_OF_MIME[mime];
    }

    async seal(pipe: Pipe, frame: EncodedFrame, sink: FrameSink): Promise<void> {
        if (frame.data.byteLength === 0) return;
        const kind = KIND_OF_SOURCE[pipe.source];
        const codec = kind === undefined ? undefined : this.codecOf(pipe, frame);
        if (kind === undefined || codec === undefined) {
            this.counts.withheld++;
            return;
        }
        try {
            const info = { codec, kind, type: TYPES.none };
            frame.data = (await this.finished(this.sealer.seal(pipe.source - 1, info, new Uint8Array(frame.data)))).buffer;
        } catch {
            this.counts.withheld++;
            return;
        }
        this.counts.sealed++;
        sink.enqueue(frame);
    }

    async open(pipe: Pipe, frame: EncodedFrame, sink: FrameSink): Promise<void> {
        if (frame.data.byteLength === 0) return;
        try {
            frame.data = (await this.openData(pipe, frame)).buffer;
        } catch (error) {
            this.refuse(pipe, error instanceof FrameError ? error.code : 'FAULT');
            return;
        }
        this.counts.opened++;
        sink.enqueue(frame);
        if (!pipe.told && pipe.trackId !== '') {
            pipe.told = true;
            this.listener.opened(pipe.trackId);
        }
        if (!pipe.broken) return;
        if (frame.type === 'key') pipe.broken = false;
        else this.askForKeyFrame(pipe);
    }

    private async openData(pipe: Pipe, frame: EncodedFrame): Promise<Uint8Array<ArrayBuffer>> {
        const { identity, source } = pipe;
        const kind = KIND_OF_SOURCE[source];
        const codec = kind === undefined ? undefined : this.codecOf(pipe, frame);
        const leaf = this.leaves.get(identity);
        const context = this.contexts.get(identity)?.get(source);
        if (kind === undefined || identity === '') throw new FrameError('NOBODYS');
        if (leaf === undefined) throw new FrameError('STRANGER');
        if (context === undefined) throw new FrameError('UNANNOUNCED');
        if (codec === undefined) throw new FrameError('UNKNOWN_CODEC');
        const info = { codec, kind, type: TYPES.none };
        const sealed = new Uint8Array(frame.data);
        try {
            return await this.finished(this.opener.open(leaf, info, sealed, context));
        } catch (error) {
            if (!(error instanceof FrameError) || error.code !== 'UNKNOWN_EPOCH' || !(await this.nextKey(pipe))) throw error;
        }
        // Whose stream it is may have changed meanwhile.
        if (pipe.identity !== identity || pipe.source !== source) throw new FrameError('NOBODYS');
        return this.finished(this.opener.open(this.leaves.get(identity) ?? leaf, info, sealed, context));
    }

    /** Waits for the key of a coming epoch, not again and again. */
    private nextKey(pipe: Pipe): Promise<boolean> {
        const now = performance.now();
        if (now - pipe.waitedMs < FAILING_MS) return Promise.resolve(false);
        pipe.waitedMs = now;
        return new Promise((resolve) => {
            const done = (came: boolean): void => {
                clearTimeout(timer);
                this.keyWaiters.delete(wake);
                resolve(came);
            };
            const wake = (): void => done(true);
            const timer = setTimeout(() => done(false), HOLD_MS);
            this.keyWaiters.add(wake);
        });
    }

    private refuse(pipe: Pipe, reason: string): void {
        if (reason === 'EMPTY') return;
        this.counts.refused[reason] = (this.counts.refused[reason] ?? 0) + 1;
        if (HARMLESS.has(reason)) return;
        pipe.broken = true;
        pipe.failures.push(performance.now());
        if (pipe.failures.length > 100) pipe.failures.shift();
    }

    private askForKeyFrame(pipe: Pipe): void {
        const now = performance.now();
        if (pipe.source !== SOURCES.camera && pipe.source !== SOURCES.screen) {
            pipe.broken = false;
            return;
        }
        if (now - pipe.askedMs < ASK_EVERY_MS) return;
        pipe.askedMs = now;
        void pipe.transformer?.sendKeyFrameRequest?.().catch(() => undefined);
    }
}
