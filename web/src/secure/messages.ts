// What page and worker tell each other. The worker holds all keys; nothing of these is one, but the link's secret on its way in.
import type { Alarm, Change, RemovalState, SealedFile, SecureConfig, SecurePerson, SecureState, SecurityCode } from './types';

/** Where a track comes from, by its number in the delivery protocol's `track` message; its frame context is one less. */
export const SOURCES = { microphone: 1, camera: 2, screen: 3, screenSound: 4 } as const;

/** What a transform is made with: `id` is how page and worker call it. */
export interface TransformOptions {
    id: number;
    opening: boolean;
}

export type ToWorker =
    | { kind: 'enter'; config: SecureConfig }
    | { kind: 'token'; token: string }
    | { kind: 'link'; question: LinkQuestion; port: MessagePort }
    /** The network is being restored: do not wait with connecting. */
    | { kind: 'hurry' }
    | { kind: 'leave' }
    | { kind: 'call'; call: number; name: CallName; args: unknown[] }
    | { kind: 'streams'; options: TransformOptions; readable: ReadableStream; writable: WritableStream }
    /** A sender's track, or a receiver's: whose it is in the eyes of the screens. `source` 0: nobody's at present. */
    | { kind: 'track'; id: number; opening: boolean; identity: string; source: number; trackId: string; mimeType: string }
    /** Payload types of what is sent, for browsers that do not tell a frame's codec. */
    | { kind: 'codecs'; types: [number, string][] };

export type CallName =
    | 'chat' | 'react' | 'hand' | 'rename' | 'setTitle' | 'remove' | 'makeHost' | 'shareFile' | 'pairCode' | 'markVerified' | 'tellCompared';

/** `public`: the public halves of a link's secret and of an owner's seed. `is`: whether an id is of these. */
export type LinkQuestion =
    | { ask: 'public'; secret: Uint8Array; ownerSeed: Uint8Array }
    | { ask: 'is'; id: string; secret: Uint8Array; owner: Uint8Array; operator: Uint8Array; suite: number; kind: number };

export interface LinkPublic {
    linkKey: Uint8Array<ArrayBuffer>;
    owner: Uint8Array<ArrayBuffer>;
}

export interface View {
    epoch: bigint;
    code: SecurityCode | undefined;
    people: SecurePerson[];
    title: string;
    history: Change[];
}

export type Ended = 'left' | 'removed' | 'over' | 'late' | 'full' | 'refused' | 'elsewhere' | 'no_entry' | 'cannot_follow' | 'lost';

/** Counts of frames, for the panel of whoever looks for a fault. */
export interface FrameCounts {
    sealed: number;
    opened: number;
    /** Not sent: no key yet, or a codec that is not known. */
    withheld: number;
    /** Not played, by reason. */
    refused: Record<string, number>;
}

export type FromWorker =
    | { kind: 'state'; state: SecureState }
    | { kind: 'view'; view: View }
    | { kind: 'chat'; from: string; private: boolean; atMs: number; id: string; text: string }
    | { kind: 'reaction'; from: string; emoji: string }
    | { kind: 'file'; from: string; private: boolean; atMs: number; file: SealedFile }
    | { kind: 'alarm'; alarm: Alarm }
    | { kind: 'removal'; identity: string; state: RemovalState }
    | { kind: 'token'; token: string; identity: string }
    | { kind: 'clock'; offSeconds: number }
    | { kind: 'confirmed'; confirmed: boolean }
    | { kind: 'withdrawn'; from: string }
    | { kind: 'closing'; withinSeconds: number }
    | { kind: 'opened'; trackId: string }
    | { kind: 'failing'; identities: string[]; counts: FrameCounts }
    /** The server has forgotten us: to be entered anew, with the secret from the link. */
    | { kind: 'again' }
    | { kind: 'ended'; reason: Ended }
    | { kind: 'answer'; call: number; value?: unknown; error?: string };
