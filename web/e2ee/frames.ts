// Encoded media frames under SFrame (RFC 9605): the module makes keys, headers and what is authenticated, WebCrypto encrypts.
// What is done to a frame of each codec is in src/e2ee/frame.h.
import type { Module } from './module';

export const CODECS = { data: 0, opus: 1, vp8: 2, vp9: 3, h264: 4, av1: 5 } as const;
export const KINDS = { data: 0, audio: 1, video: 2, screen: 3, screenAudio: 4 } as const;
export const TYPES = { none: 0, key: 1, delta: 2 } as const;
export const AES_256_GCM_SHA512_128 = 5;

export interface FrameInfo {
    codec: number;
    kind: number;
    type: number;
}

const PART = {
    in: 0, out: 1, text: 2, textLen: 3, body: 4, aad: 5, aadLen: 6, nonce: 7, key: 8, keyLen: 9, handle: 10, sealed: 11,
    sealedLen: 12, len: 13, ctrLow: 14, kid: 15,
} as const;
const NONCE_LEN = 12;

export class FrameError extends Error {
    constructor(readonly code: string) {
        super(code);
        this.name = 'FrameError';
    }
}

function frameError(module: Module, status: number): FrameError {
    return new FrameError(module.text(module.number('wasm_sframe_status_name', status)));
}

/** Microseconds of a clock that never goes back. */
const clock = (): bigint => BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000));

/** Keys that WebCrypto holds, by the module's handles; they go when the module says that they have ended. */
class Keys {
    private readonly byHandle = new Map<number, Promise<CryptoKey>>();

    constructor(
        private readonly usage: 'encrypt' | 'decrypt',
        private readonly live: (handle: number) => boolean,
    ) {}

    get(handle: number, raw: () => Uint8Array): Promise<CryptoKey> {
        let key = this.byHandle.get(handle);
        if (key === undefined) {
            const bytes = raw();
            key = crypto.subtle.importKey('raw', bytes as BufferSource, 'AES-GCM', false, [this.usage]);
            void key.finally(() => bytes.fill(0)).catch(() => undefined);
            this.byHandle.set(handle, key);
        }
        return key;
    }

    sweep(): void {
        for (const handle of this.byHandle.keys()) if (!this.live(handle)) this.byHandle.delete(handle);
    }
}

const NEVER = (1n << 64n) - 1n;
const switchBy = (at: bigint, withinMs: number): bigint => (withinMs === Infinity ? NEVER : at + BigInt(Math.round(withinMs * 1000)));

abstract class Frames {
    protected constructor(
        protected readonly module: Module,
        protected readonly address: number,
        private readonly opening: 0 | 1,
    ) {}

    protected part(job: number, which: number): number {
        return this.module.number('job_part', job, this.opening, which);
    }

    protected take(job: number, address: number, length: number): Uint8Array<ArrayBuffer> {
        return this.module.bytes(this.part(job, address), length).slice() as Uint8Array<ArrayBuffer>;
    }

    protected start(frame: Uint8Array): number {
        const job = this.module.number('job_create', frame.length);
        if (job === 0) throw new FrameError('NO_MEMORY');
        this.module.bytes(this.part(job, PART.in), frame.length).set(frame);
        return job;
    }
}

/** One member's sealing side. */
export class FrameSealer extends Frames {
    private readonly keys: Keys;

    constructor(module: Module, suite: number = AES_256_GCM_SHA512_128) {
        const address = module.number('sender_create', suite);
        super(module, address, 0);
        this.keys = new Keys('encrypt', (handle) => module.number('sender_key_live', address, handle) === 1);
    }

    free(): void {
        this.module.number('sender_free', this.address);
    }

    /** An epoch's base key; it is used from `switchTo` on, or after `withinMs` (Infinity: not by itself). The caller wipes it. */
    install(epoch: bigint, ownLeaf: number, baseKey: Uint8Array, withinMs = 0): void {
        const at = clock();
        const status = this.module.number(
            'sender_install', this.address, epoch, ownLeaf, baseKey, switchBy(at, withinMs), at,
        );
        if (status !== 0) throw frameError(this.module, status);
        this.step();
    }

    switchTo(epoch: bigint): void {
        this.module.number('sender_switch', this.address, epoch, clock());
        this.keys.sweep();
    }

    /** The epoch that was installed last and is not in use will not come: its key goes, and another may come under its number. */
    withdraw(epoch: bigint): void {
        this.module.number('sender_withdraw', this.address, epoch);
        this.keys.sweep();
    }

    /** Ends what time has ended; a few times a second. */
    step(): void {
        this.module.number('sender_step', this.address, clock());
        this.keys.sweep();
    }

    /** The epoch that frames are sealed with; undefined before the first. */
    get epoch(): bigint | undefined {
        const epoch = this.module.bigint('sender_epoch', this.address);
        return epoch < 0n ? undefined : epoch;
    }

    /** Rejects with a FrameError when the frame must not be sent. */
    async seal(context: number, info: FrameInfo, frame: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
        const job = this.start(frame);
        try {
            const status = this.module.number(
                'frame_seal', job, this.address, context, info.codec, info.kind, info.type, clock(),
            );
            if (status !== 0) throw frameError(this.module, status);
            const key = this.keys.get(this.part(job, PART.handle), () =>
                this.take(job, PART.key, this.part(job, PART.keyLen)),
            );
            const iv = this.take(job, PART.nonce, NONCE_LEN);
            const additionalData = this.take(job, PART.aad, this.part(job, PART.aadLen));
            const text = this.take(job, PART.text, this.part(job, PART.textLen));
            const body = new Uint8Array(
                await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData, tagLength: 128 }, await key, text),
            );
            this.module.bytes(this.part(job, PART.body), body.length).set(body);
            const length = this.module.number('frame_sealed', job);
            return this.take(job, PART.out, length);
        } finally {
            this.module.number('job_free', job);
        }
    }
}

/** One member's opening side, for everybody else's streams. */
export class FrameOpener extends Frames {
    private readonly keys: Keys;

    constructor(module: Module, keysMax = 2048, suite: number = AES_256_GCM_SHA512_128) {
        const address = module.number('receiver_create', suite, keysMax);
        if (address === 0) throw new FrameError('NO_MEMORY');
        super(module, address, 1);
        this.keys = new Keys('decrypt', (handle) => module.number('receiver_key_live', address, handle) === 1);
    }

    free(): void {
        this.module.number('receiver_free', this.address);
    }

    install(epoch: bigint, ownLeaf: number, baseKey: Uint8Array, withinMs = 0): void {
        const at = clock();
        const status = this.module.number(
            'receiver_install', this.address, epoch, ownLeaf, baseKey, switchBy(at, withinMs), at,
        );
        if (status !== 0) throw frameError(this.module, status);
        this.step();
    }

    switchTo(epoch: bigint): void {
        this.module.number('receiver_switch', this.address, epoch, clock());
        this.keys.sweep();
    }

    /** The epoch that was installed last and is not in use will not come: its key goes, and another may come under its number. */
    withdraw(epoch: bigint): void {
        this.module.number('receiver_withdraw', this.address, epoch);
        this.keys.sweep();
    }

    step(): void {
        this.module.number('receiver_step', this.address, clock());
        this.keys.sweep();
    }

    /** KID = context << 24 | leaf << 8 | epoch (src/e2ee/sframe_keys.h). */
    private contextOf(job: number): number {
        return this.part(job, PART.kid) >>> 24;
    }

    /**
     * `leaf`: whose stream it came on; `context`: which of that member's streams it must be, when given. Rejects with a
     * FrameError when the frame must not be played.
     */
    async open(leaf: number, info: FrameInfo, sealed: Uint8Array, context?: number): Promise<Uint8Array<ArrayBuffer>> {
        const job = this.start(sealed);
        try {
            const status = this.module.number(
                'frame_open', job, this.address, leaf, info.codec, info.kind, info.type, clock(),
            );
            if (status !== 0) throw frameError(this.module, status);
            if (context !== undefined && this.contextOf(job) !== context) {
                this.module.number('frame_opened', job, this.address, 0);
                throw new FrameError('WRONG_CONTEXT');
            }
            const key = this.keys.get(this.part(job, PART.handle), () =>
                this.take(job, PART.key, this.part(job, PART.keyLen)),
            );
            const iv = this.take(job, PART.nonce, NONCE_LEN);
            const additionalData = this.take(job, PART.aad, this.part(job, PART.aadLen));
            const body = this.take(job, PART.sealed, this.part(job, PART.sealedLen));
            let text: Uint8Array | undefined;
            try {
                text = new Uint8Array(
                    await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData, tagLength: 128 }, await key, body),
                );
                this.module.bytes(this.part(job, PART.body), text.length).set(text);
            } catch {
                // told to the module below: it counts and names the reason
            }
            const outcome = this.module.number('frame_opened', job, this.address, text === undefined ? 0 : 1);
            text?.fill(0);
            if (outcome !== 0) throw frameError(this.module, outcome);
            return this.take(job, PART.out, this.part(job, PART.len));
        } finally {
            this.module.number('job_free', job);
        }
    }
}
