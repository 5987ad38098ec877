// A person's stay in a meeting's group, inside the WebAssembly module: member/member.h with JavaScript's types. The other side is
// src/wasm/member_exports.c. Holds keys until `free`.
import { MlsError, Reader, type Module } from '../../e2ee/module';
import type { LinkKeys } from './link';
import type { AlarmKind, Change, RemovalState, SealedFile, SecurePerson, SecureState, SecurityCode } from './types';

export interface StayConfig {
    meetingId: string;
    link: LinkKeys;
    operator: Uint8Array;
    seat: Uint8Array;
    name: string;
    software: string;
    bundleSha256: string;
}

/** enum member_output_type, in its order. */
export const TYPES = [
    'send', 'fetch', 'connect', 'state', 'roster', 'epoch', 'token', 'keys', 'keys_drop', 'withdrawn', 'confirmed', 'clock', 'switch',
    'removed', 'chat', 'reaction', 'title', 'file', 'track', 'alarm', 'removal', 'disputed', 'closing', 'ended',
] as const;
const STATES: readonly SecureState[] = ['connecting', 'waiting', 'joining', 'in', 'away', 'over'];
/** enum member_alarm, in its order. */
export const ALARMS: readonly AlarmKind[] = [
    'suite', 'group', 'sender', 'add', 'remove', 'roles', 'identity', 'commit', 'order', 'from', 'content', 'tree', 'signature', 'withheld',
    'fork', 'withdrawn',
];
const REMOVALS: readonly RemovalState[] = ['wanted', 'done', 'failed'];
const CHANGES: readonly Change['kind'][] = ['came', 'went', 'healed', 'role', 'began'];
const CLIENTS: readonly SecurePerson['client'][] = ['test', 'browser', 'native', 'test'];
const FLAG = { self: 1, host: 2, online: 4, hand: 8, named: 16, checked: 32, verified: 64, disputes: 128 } as const;
const DIGITS = 30;

export interface Output {
    type: (typeof TYPES)[number];
    state: SecureState;
    alarm: AlarmKind;
    status: number;
    gone: number;
    private: boolean;
    context: number;
    source: number;
    removal: RemovalState;
    flag: boolean;
    ticket: number;
    ownLeaf: number;
    epoch: bigint;
    delayMs: number;
    atMs: number;
    number: number;
    offSeconds: number;
    bytes: Uint8Array;
    text: string;
    identity: string;
    id: Uint8Array;
    file: SealedFile;
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const IDENTITY = /^[A-Za-z0-9_.-]*$/;
/** Two identities that differ in a byte differ here. What is none, and can only come in alarms, is told in hexadecimal. */
export function identityOf(bytes: Uint8Array): string {
    const text = String.fromCharCode(...bytes);
    return IDENTITY.test(text) ? text : `?${toHex(bytes)}`;
}

const unixS = (): bigint => BigInt(Math.floor(Date.now() / 1000));
/** Microseconds of a clock that never goes back. */
const nowUs = (): bigint => BigInt(Math.floor(performance.now() * 1000));

export function toHex(bytes: Uint8Array): string {
    return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

export function fromHex(text: string): Uint8Array {
    return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export class Stay {
    private constructor(
        private readonly module: Module,
        private readonly address: number,
    ) {}

    static create(module: Module, config: StayConfig): Stay {
        const { link } = config;
        module.mls(
            'stay_create', link.suite, link.kind, utf8.encode(config.meetingId), link.secret, link.operatorHash, config.operator, link.owner,
            link.ownerSeed ?? new Uint8Array(0), config.seat, utf8.encode(config.name), utf8.encode(config.software),
            fromHex(config.bundleSha256),
        );
        return new Stay(module, module.made());
    }

    get identity(): string {
        this.module.mls('stay_own', this.address);
        return identityOf(this.module.result());
    }

    free(): void {
        this.module.number('stay_free', this.address);
        this.module.forget();
    }

    connected(): void {
        this.module.number('stay_connected', this.address, nowUs(), unixS());
    }

    input(message: Uint8Array): void {
        this.module.number('stay_input', this.address, nowUs(), unixS(), message);
    }

    lost(closeCode: number): void {
        this.module.number('stay_lost', this.address, nowUs(), closeCode);
    }

    /** An empty body: it failed. */
    fetched(ticket: number, body: Uint8Array): void {
        this.module.number('stay_fetched', this.address, nowUs(), unixS(), ticket, body);
    }

    tick(): void {
        this.module.number('stay_tick', this.address, nowUs(), unixS());
    }

    /** Milliseconds until `tick` is due; undefined: nothing waits for the clock. */
    untilTickMs(): number | undefined {
        const at = this.module.bigint('stay_deadline', this.address);
        return at < 0n ? undefined : Math.max(0, Math.ceil(Number(at - nowUs()) / 1000));
    }

    poll(): Output | undefined {
        if (this.module.number('stay_poll', this.address) === 0) return undefined;
        const result = this.module.result();
        const r = new Reader(result);
        const text = (): string => fromUtf8.decode(r.vector());
        const output: Output = {
            type: TYPES[r.number(1)]!,
            state: STATES[r.number(1)]!,
            alarm: ALARMS[r.number(1)]!,
            status: r.number(2),
            gone: r.number(1),
            private: r.number(1) === 1,
            context: r.number(1),
            source: r.number(1),
            removal: REMOVALS[r.number(1)]!,
            flag: r.number(1) === 1,
            ticket: r.number(4),
            ownLeaf: r.number(4),
            epoch: r.u64(),
            delayMs: Number(r.u64()) / 1000,
            atMs: Number(r.u64()),
            number: Number(r.u64()),
            offSeconds: Number(BigInt.asIntN(64, r.u64())),
            bytes: r.vector(),
            text: text(),
            identity: identityOf(r.vector()),
            id: r.vector(),
            file: {
                id: text(),
                name: text(),
                lengthBytes: Number(r.u64()),
                key: r.vector(),
                sha256: r.vector(),
            },
        };
        // Of a base key or of what people write one copy is left: the output's, which whoever takes it wipes.
        result.fill(0);
        this.module.forget();
        return output;
    }

    // ---- what the person does; each throws an MlsError when it is not possible ----

    chat(to: string, id: string, text: string): void {
        this.module.mls('stay_chat', this.address, BigInt(Date.now()), utf8.encode(to), fromHex(id), utf8.encode(text));
    }

    react(emoji: string): void {
        this.module.mls('stay_react', this.address, utf8.encode(emoji));
    }

    hand(raised: boolean): void {
        this.module.mls('stay_hand', this.address, raised ? 1 : 0);
    }

    rename(name: string): void {
        this.module.mls('stay_rename', this.address, utf8.encode(name));
    }

    setTitle(text: string): void {
        this.module.mls('stay_title', this.address, utf8.encode(text));
    }

    remove(identity: string): void {
        this.module.mls('stay_remove', this.address, nowUs(), unixS(), utf8.encode(identity));
    }

    makeHost(identity: string): void {
        this.module.mls('stay_make_host', this.address, nowUs(), unixS(), utf8.encode(identity));
    }

    shareFile(to: string, file: SealedFile): void {
        this.module.mls(
            'stay_file', this.address, BigInt(Date.now()), utf8.encode(to), utf8.encode(file.id), utf8.encode(file.name),
            BigInt(file.lengthBytes), file.key, file.sha256,
        );
    }

    track(context: number, source: number, codec: string): void {
        this.module.mls('stay_track', this.address, context, source, utf8.encode(codec));
    }

    /** With `digits`: only while the code of `identity`, or of all, is this one; it comes from the keys that are then marked. */
    markVerified(identity: string, verified: boolean, digits?: string): void {
        const now = digits === undefined ? undefined : identity === '' ? this.code() : this.pairCode(identity);
        if (now?.digits !== digits) throw new Error('the code has changed');
        this.module.number('stay_verified', this.address, utf8.encode(identity), verified ? 1 : 0);
    }

    tellCompared(differs: boolean): void {
        this.module.mls('stay_compared', this.address, differs ? 1 : 0);
    }

    leave(): void {
        this.module.number('stay_leave', this.address);
    }

    // ---- what there is to see ----

    get epoch(): bigint {
        return this.module.bigint('stay_epoch', this.address);
    }

    get suite(): number {
        return this.module.number('stay_suite', this.address);
    }

    get title(): string {
        this.module.mls('stay_title_text', this.address);
        return fromUtf8.decode(this.module.result());
    }

    people(): SecurePerson[] {
        this.module.mls('stay_people', this.address);
        const r = new Reader(this.module.result());
        const people: SecurePerson[] = [];
        while (r.left > 0) {
            const leaf = r.number(4);
            const sinceEpoch = r.u64();
            const flags = r.number(1);
            const client = CLIENTS[r.number(1)] ?? 'test';
            const identity = identityOf(r.vector());
            const name = fromUtf8.decode(r.vector());
            people.push({
                identity,
                leaf,
                sinceEpoch,
                self: (flags & FLAG.self) !== 0,
                host: (flags & FLAG.host) !== 0,
                online: (flags & FLAG.online) !== 0,
                hand: (flags & FLAG.hand) !== 0,
                name: (flags & FLAG.named) !== 0 ? name : undefined,
                checked: (flags & FLAG.checked) !== 0,
                verified: (flags & FLAG.verified) !== 0,
                disputes: (flags & FLAG.disputes) !== 0,
                client,
                software: fromUtf8.decode(r.vector()),
                bundle: toHex(r.vector()),
            });
        }
        return people;
    }

    private codeOf(found: number): SecurityCode | undefined {
        if (found === 0) return undefined;
        const digits = fromUtf8.decode(this.module.result());
        return digits.length === DIGITS ? { digits } : undefined;
    }

    code(): SecurityCode | undefined {
        return this.codeOf(this.module.number('stay_code', this.address));
    }

    pairCode(identity: string): SecurityCode | undefined {
        return this.codeOf(this.module.number('stay_pair_code', this.address, utf8.encode(identity)));
    }

    history(): Change[] {
        this.module.mls('stay_history', this.address);
        const r = new Reader(this.module.result());
        const changes: Change[] = [];
        while (r.left > 0) {
            changes.push({
                kind: CHANGES[r.number(1)]!,
                epoch: r.u64(),
                atMs: Number(r.u64()) * 1000,
                identity: identityOf(r.vector()),
                by: identityOf(r.vector()),
                name: fromUtf8.decode(r.vector()),
            });
        }
        return changes;
    }
}

export { MlsError };
