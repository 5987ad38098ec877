// What the meeting's screens know of its end-to-end encryption: the person's own side of the group (src/member/member.h),
// which runs in a worker with the keys. Nothing here holds a key; everything here is read from the running state.
import type { ReadonlySignal } from '@preact/signals';
import type { LinkKeys } from './link';
import type { BaseE2EEManager } from './livekit';

export type SecureState = 'connecting' | 'waiting' | 'joining' | 'in' | 'away' | 'over';

/** What a client rule saw broken (enum member_alarm), newest last; each is shown. */
export type AlarmKind =
    | 'suite' | 'group' | 'sender' | 'add' | 'remove' | 'roles' | 'identity' | 'commit' | 'order' | 'from' | 'content'
    | 'tree' | 'signature' | 'withheld' | 'fork' | 'withdrawn'
    // seen by the page: the server tried to change what is sent (server_messages.ts)
    | 'meddling';

/** What became of a removal that this person asked for: it is tried until that seat is out of the group, for half a minute. */
export type RemovalState = 'wanted' | 'done' | 'failed';

export interface Alarm {
    kind: AlarmKind;
    /** Whose fault or whom it is about; empty: the server. */
    identity: string;
    atMs: number;
}

export interface SecurePerson {
    identity: string;
    leaf: number;
    /** It came with this epoch; or came again, in another tab or after loading the page anew. */
    sinceEpoch: bigint;
    self: boolean;
    host: boolean;
    online: boolean;
    hand: boolean;
    /** The name that the person signed; undefined until it has come. Names from the server are never shown. */
    name: string | undefined;
    /** Its leaf signature has been verified. */
    checked: boolean;
    /** Our person compared codes with it. */
    verified: boolean;
    /** It says that it compared codes and that they differ. */
    disputes: boolean;
    client: 'browser' | 'native' | 'test';
    software: string;
    /** SHA-256 of its web bundle, hexadecimal; may be empty. */
    bundle: string;
}

export interface SecurityCode {
    /** 30 digits; groups of five for the eye. */
    digits: string;
}

export interface Change {
    kind: 'began' | 'came' | 'went' | 'healed' | 'role';
    epoch: bigint;
    atMs: number;
    identity: string;
    /** Who did it; empty: the server asked for it. */
    by: string;
    name: string;
}

export interface SealedFile {
    id: string;
    name: string;
    lengthBytes: number;
    key: Uint8Array;
    sha256: Uint8Array;
}

/** What comes from others over the group, each proven to be from `from`. */
export interface SecureListener {
    chat(from: string, privateToUs: boolean, atMs: number, id: string, text: string): void;
    reaction(from: string, emoji: string): void;
    file(from: string, privateToUs: boolean, atMs: number, file: SealedFile): void;
    alarm(alarm: Alarm): void;
    /** The group side is over: why (enum wire_gone as words); 'left' when we left. */
    ended(reason: 'left' | 'removed' | 'over' | 'late' | 'full' | 'refused' | 'elsewhere' | 'no_entry' | 'cannot_follow' | 'lost'): void;
    /** Our clock is ahead of the server's by so many seconds (behind: negative). No alarm. */
    clock(offSeconds: number): void;
    /** A change that `from` made was taken back by the others. */
    withdrawn(from: string): void;
    /** The server goes down within so many seconds. */
    closing(withinSeconds: number): void;
    /** What became of a removal of ours. */
    removal(identity: string, state: RemovalState): void;
}

export interface SecureConfig {
    /** WebSocket address of the server, such as wss://host. */
    url: string;
    meetingId: string;
    /** From the link's fragment; never sent. Its secrets are wiped by the callee. */
    link: LinkKeys;
    /** The server's operator key, whose hash the link has. */
    operator: Uint8Array;
    /** The seed of our seat, 32 bytes: the same person as before. Wiped by the callee. */
    seat: Uint8Array;
    name: string;
    bundleSha256: string;
}

export interface Secure {
    readonly suite: number;
    readonly suiteName: string;
    readonly state: ReadonlySignal<SecureState>;
    readonly epoch: ReadonlySignal<bigint>;
    readonly code: ReadonlySignal<SecurityCode | undefined>;
    readonly people: ReadonlySignal<ReadonlyMap<string, SecurePerson>>;
    readonly title: ReadonlySignal<string>;
    /** Newest first. */
    readonly history: ReadonlySignal<readonly Change[]>;
    readonly alarms: ReadonlySignal<readonly Alarm[]>;
    /** Identities some of whose frames could not be opened in the last seconds, although they are in the group. */
    readonly undecryptable: ReadonlySignal<ReadonlySet<string>>;
    /** Ids of remote media tracks (MediaStreamTrack.id) of which a frame has been opened: only these may be played. */
    readonly openedTracks: ReadonlySignal<ReadonlySet<string>>;
    /** For Room's `encryption: { e2eeManager }`. */
    readonly manager: BaseE2EEManager;
    /** SHA-256 of the page's own files as the server states it, for the panel. */
    readonly bundleSha256: string;
    /** Members confirm that they are in the same epoch as we. */
    readonly confirmed: ReadonlySignal<boolean>;
    /** The server has answered, and lets us wait: nobody has begun the meeting, or others enter first. */
    readonly waiting: ReadonlySignal<boolean>;
    /** Ours, which follows from our seat; empty before the worker has it. */
    readonly identity: string;
    /** For HTTP and for media; worth what we are to the meeting. Empty before the server took us. */
    readonly token: string;

    /** Connects and enters the group; resolves when in it. Rejects with an Error whose message is an `ended` reason. */
    enter(): Promise<void>;
    /** Leaves for good and ends the worker. */
    leave(): void;
    /** A newer one for the same, which the media's side was given. */
    updateToken(token: string): void;
    /** The network is being restored: the group's connection is tried at once. */
    hurry(): void;

    /** Rejects when not in the group. `to` empty: everybody. `id`: 32 hexadecimal digits of the caller. */
    chat(to: string, id: string, text: string): Promise<void>;
    react(emoji: string): Promise<void>;
    hand(raised: boolean): Promise<void>;
    rename(name: string): Promise<void>;
    setTitle(text: string): Promise<void>;
    remove(identity: string): Promise<void>;
    makeHost(identity: string): Promise<void>;
    shareFile(to: string, file: SealedFile): Promise<void>;
    pairCode(identity: string): Promise<SecurityCode | undefined>;
    /** `identity` empty: everybody who is here. `digits`: of the code that was compared; rejects if these are not its digits any longer. */
    markVerified(identity: string, verified: boolean, digits?: string): Promise<void>;
    /** Tells the others that codes differ, or do no longer. */
    tellCompared(differs: boolean): Promise<void>;
}
