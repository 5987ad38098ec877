// MLS (RFC 9420): clients, groups, commits. What each call means, and what it checks, is in src/e2ee/mls.h; this is the same interface
// with JavaScript's types. Objects hold keys in the module's memory until `free` is called.
import { Module, Reader } from './module';

export const SUITES = {
    MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519: 1,
    MLS_128_DHKEMP256_AES128GCM_SHA256_P256: 2,
    MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519: 3,
    MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448: 4,
    MLS_256_DHKEMP521_AES256GCM_SHA512_P521: 5,
    MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448: 6,
    MLS_256_DHKEMP384_AES256GCM_SHA384_P384: 7,
    MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519: 0xf0a7,
} as const;

const EMPTY = new Uint8Array(0);
const now = (): bigint => BigInt(Math.floor(Date.now() / 1000));

export interface Leaf {
    identity: Uint8Array;
    signatureKey: Uint8Array;
    encryptionKey: Uint8Array;
    extensions: Uint8Array;
}

export interface Member extends Leaf {
    leaf: number;
    /** False while its leaf signature is in the queue of deferred checks. */
    verified: boolean;
}

export type ReceivedKind = 'application' | 'proposal' | 'commit' | 'own commit' | 'own proposal';
const KINDS: ReceivedKind[] = ['application', 'proposal', 'commit', 'own commit', 'own proposal'];

export interface Received {
    kind: ReceivedKind;
    epoch: bigint;
    senderType: number;
    sender: number;
    data: Uint8Array;
    authenticatedData: Uint8Array;
}

export interface StagedProposal extends Leaf {
    type: number;
    senderType: number;
    sender: number;
    leaf: number;
}

export interface Commit {
    commit: Uint8Array;
    /** Empty when nobody was added. */
    welcome: Uint8Array;
    groupInfo: Uint8Array;
}

export interface GroupOptions {
    privateHandshake?: boolean;
    /** External senders may propose to remove, nothing else. */
    removeOnly?: boolean;
    sendWithProposalsOpen?: boolean;
    membersMax?: number;
    paddingStep?: number;
}

export interface SignatureCheck {
    leaf: number;
    ticket: bigint;
    algorithm: number;
    publicKey: Uint8Array;
    message: Uint8Array;
    signature: Uint8Array;
}

function optionArgs(options: GroupOptions): [number, number, number] {
    const flags =
        (options.privateHandshake ? 1 : 0) | (options.removeOnly ? 2 : 0) | (options.sendWithProposalsOpen ? 4 : 0);
    return [flags, options.membersMax ?? 0, options.paddingStep ?? 0];
}

function readLeaf(r: Reader): Leaf {
    return { identity: r.vector(), signatureKey: r.vector(), encryptionKey: r.vector(), extensions: r.vector() };
}

/** A big-endian list of 16-bit numbers. */
function numbers16(values: readonly number[]): Uint8Array {
    return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 255]));
}

export interface SignatureKey {
    privateKey: Uint8Array;
    publicKey: Uint8Array;
}

export function generateSignatureKey(module: Module, suite: number): SignatureKey {
    module.mls('signature_key', suite);
    const key = { privateKey: module.result(0), publicKey: module.result(1) };
    module.forget();
    return key;
}

export function suiteSupported(module: Module, suite: number): boolean {
    return module.number('suite_supported', suite) === 1;
}

/** How a client presents itself. */
export class Identity {
    readonly address: number;

    constructor(
        private readonly module: Module,
        readonly suite: number,
        name: Uint8Array,
        signatureKey: Uint8Array,
        extensions: Uint8Array = EMPTY,
        extensionTypes: readonly number[] = [],
    ) {
        module.mls('identity_create', suite, name, signatureKey, extensions, numbers16(extensionTypes));
        this.address = module.made();
    }

    free(): void {
        this.module.number('identity_free', this.address);
    }
}

export class Client {
    readonly address: number;

    constructor(readonly module: Module) {
        module.mls('client_create');
        this.address = module.made();
    }

    /** After all of its groups. */
    free(): void {
        this.module.number('client_free', this.address);
    }

    addPsk(id: Uint8Array, psk: Uint8Array): void {
        this.module.mls('client_psk', this.address, id, psk);
    }

    /** The message to publish; its private keys stay in the client until a Welcome uses them. */
    keyPackage(identity: Identity, unixS = now()): Uint8Array {
        this.module.mls('key_package', this.address, identity.address, unixS);
        return this.module.result();
    }

    createGroup(identity: Identity, id: Uint8Array, extensions: Uint8Array = EMPTY, options: GroupOptions = {}): Group {
        const [flags, max, padding] = optionArgs(options);
        this.module.mls('group_create', this.address, identity.address, flags, max, padding, id, extensions, now());
        return new Group(this.module, this.module.made());
    }

    /** `tree` may be empty when it is in the Welcome. */
    join(welcome: Uint8Array, tree: Uint8Array = EMPTY, verifyLater = false, options: GroupOptions = {}): Group {
        const [flags, max, padding] = optionArgs(options);
        this.module.mls(
            'group_join', this.address, flags, max, padding, welcome, tree, verifyLater ? 1 : 0, now(),
        );
        return new Group(this.module, this.module.made());
    }

    /** By external commit; the group is usable when `confirm` was called, after the commit was accepted. */
    joinExternal(
        identity: Identity,
        groupInfo: Uint8Array,
        how: { tree?: Uint8Array; psk?: Uint8Array; resync?: boolean; verifyLater?: boolean } = {},
        options: GroupOptions = {},
    ): { group: Group; commit: Uint8Array; groupInfo: Uint8Array } {
        const [flags, max, padding] = optionArgs(options);
        this.module.mls(
            'group_join_external', this.address, identity.address, flags, max, padding, groupInfo, how.tree ?? EMPTY,
            how.psk ?? EMPTY, how.resync ? 1 : 0, how.verifyLater ? 1 : 0, now(),
        );
        const commit = this.module.result(0);
        const info = this.module.result(1);
        return { group: new Group(this.module, this.module.made()), commit, groupInfo: info };
    }

    restore(key: Uint8Array, sealed: Uint8Array): Group {
        this.module.mls('group_restore', this.address, key, sealed);
        return new Group(this.module, this.module.made());
    }
}

export class Group {
    constructor(
        private readonly module: Module,
        readonly address: number,
    ) {}

    free(): void {
        this.module.number('group_free', this.address);
    }

    /** 0 active, 1 joining, 2 removed, 3 reinitialised, 4 broken. */
    get state(): number {
        return this.module.number('group_state', this.address);
    }

    get suite(): number {
        return this.module.number('group_suite', this.address);
    }

    get epoch(): bigint {
        return this.module.bigint('group_epoch', this.address);
    }

    get ownLeaf(): number {
        return this.module.number('group_own_leaf', this.address);
    }

    get memberCount(): number {
        return this.module.number('group_member_count', this.address);
    }

    private ask(question: number): Uint8Array {
        this.module.mls('group_bytes', this.address, question);
        return this.module.result();
    }

    get id(): Uint8Array {
        return this.ask(0);
    }

    get context(): Uint8Array {
        return this.ask(1);
    }

    get epochAuthenticator(): Uint8Array {
        return this.ask(2);
    }

    get extensions(): Uint8Array {
        return this.ask(3);
    }

    get treeHash(): Uint8Array {
        return this.ask(4);
    }

    tree(): Uint8Array {
        this.module.mls('group_tree', this.address);
        return this.module.result();
    }

    groupInfo(externalPub = true, tree = false): Uint8Array {
        this.module.mls('group_info', this.address, externalPub ? 1 : 0, tree ? 1 : 0);
        return this.module.result();
    }

    members(): Member[] {
        this.module.mls('group_members', this.address);
        const r = new Reader(this.module.result());
        const members: Member[] = [];
        while (r.left > 0) {
            const leaf = r.number(4);
            const verified = r.number(1) === 1;
            members.push({ leaf, verified, ...readLeaf(r) });
        }
        return members;
    }

    /** MLS-Exporter (RFC 9420 section 8.5). */
    export(label: string, context: Uint8Array, length: number): Uint8Array {
        const bytes = new TextEncoder().encode(label + '\0');
        const address = this.module.number('wasm_alloc', bytes.length);
        this.module.bytes(address, bytes.length).set(bytes);
        try {
            this.module.mls('group_export', this.address, address, context, length);
            return this.module.result();
        } finally {
            this.module.number('wasm_release', address, bytes.length);
            this.module.forget();
        }
    }

    proposeAdd(keyPackage: Uint8Array): Uint8Array {
        this.module.mls('propose_write_add', keyPackage);
        return this.module.result();
    }

    proposeRemove(leaf: number): Uint8Array {
        this.module.mls('propose_write_remove', leaf);
        return this.module.result();
    }

    proposePsk(id: Uint8Array): Uint8Array {
        this.module.mls('propose_write_psk', this.suite, id);
        return this.module.result();
    }

    proposeExtensions(extensions: Uint8Array): Uint8Array {
        this.module.mls('propose_write_extensions', extensions);
        return this.module.result();
    }

    /** A message that proposes; the proposal is stored with those of others. */
    propose(proposal: Uint8Array): Uint8Array {
        this.module.mls('group_propose', this.address, proposal, now());
        return this.module.result();
    }

    proposeUpdate(): Uint8Array {
        this.module.mls('group_propose_update', this.address, now());
        return this.module.result();
    }

    /** Covers the stored proposals and those given by value. Pending until `confirm` or `drop`. */
    commit(proposals: Uint8Array[] = [], how: { noPath?: boolean; tree?: boolean; pickNone?: boolean } = {}): Commit {
        const list = new Uint8Array(proposals.reduce((sum, p) => sum + p.length, 0));
        let at = 0;
        for (const proposal of proposals) {
            list.set(proposal, at);
            at += proposal.length;
        }
        const flags = (how.noPath ? 1 : 0) | (how.tree ? 2 : 0) | (how.pickNone ? 4 : 0);
        this.module.mls('group_commit', this.address, list, flags, now());
        return { commit: this.module.result(0), welcome: this.module.result(1), groupInfo: this.module.result(2) };
    }

    confirm(): void {
        this.module.mls('group_confirm', this.address);
    }

    drop(): void {
        this.module.number('group_drop', this.address);
    }

    /** A commit is then staged: look at it with `staged`, and `apply` or `refuse`. */
    process(message: Uint8Array): Received {
        this.module.mls('group_process', this.address, message, now());
        const r = new Reader(this.module.result());
        this.module.forget();
        return {
            kind: KINDS[r.number(1)]!,
            epoch: r.u64(),
            senderType: r.number(1),
            sender: r.number(4),
            data: r.vector(),
            authenticatedData: r.vector(),
        };
    }

    staged(): StagedProposal[] {
        this.module.mls('group_staged', this.address);
        const r = new Reader(this.module.result());
        const proposals: StagedProposal[] = [];
        while (r.left > 0) {
            const type = r.number(2);
            const senderType = r.number(1);
            const sender = r.number(4);
            const leaf = r.number(4);
            proposals.push({ type, senderType, sender, leaf, ...readLeaf(r) });
        }
        return proposals;
    }

    apply(): void {
        this.module.mls('group_apply', this.address);
    }

    refuse(): void {
        this.module.number('group_refuse', this.address);
    }

    protect(data: Uint8Array, authenticatedData: Uint8Array = EMPTY): Uint8Array {
        this.module.mls('group_protect', this.address, data, authenticatedData);
        return this.module.result();
    }

    /** Leaf signatures that wait to be checked; undefined when all have been handed out. */
    verifyNext(): SignatureCheck | undefined {
        if (this.verifyLeft === 0) return undefined;
        const status = this.module.number('group_verify_next', this.address);
        if (status !== 0) {
            const error = this.module.mlsError(status);
            if (error.code === 'END') return undefined;
            throw error;
        }
        const r = new Reader(this.module.result());
        return {
            leaf: r.number(4),
            ticket: r.u64(),
            algorithm: r.number(1),
            publicKey: r.vector(),
            message: r.vector(),
            signature: r.vector(),
        };
    }

    verifyDone(check: SignatureCheck, good: boolean): void {
        this.module.number('group_verify_done', this.address, check.ticket, good ? 1 : 0);
    }

    /** The verdict on a check by the module's own primitives. */
    verifyHere(check: SignatureCheck): boolean {
        return (
            this.module.number('signature_verify', check.algorithm, check.publicKey, check.message, check.signature) === 1
        );
    }

    /** Inside the module, up to `max` of them. */
    verifySome(max: number): void {
        this.module.mls('group_verify_some', this.address, max);
    }

    get verifyLeft(): number {
        return this.module.number('group_verify_left', this.address);
    }

    /** Only for who wants to keep a group beyond its deletion schedule; see mls_group_seal. */
    seal(key: Uint8Array): Uint8Array {
        this.module.mls('group_seal', this.address, key);
        return this.module.result();
    }
}

const ED25519 = 0;

/** By WebCrypto; undefined when that does not know Ed25519. */
async function verifyNatively(check: SignatureCheck): Promise<boolean | undefined> {
    const subtle = globalThis.crypto?.subtle;
    if (check.algorithm !== ED25519 || subtle === undefined) return undefined;
    try {
        const key = await subtle.importKey('raw', check.publicKey as BufferSource, 'Ed25519', false, ['verify']);
        return await subtle.verify('Ed25519', key, check.signature as BufferSource, check.message as BufferSource);
    } catch {
        return undefined; // no such algorithm, or a key that it does not take: the module judges
    }
}

/**
 * Drains the queue of deferred signatures, with WebCrypto where that knows the algorithm, else inside the module, `atOnce` at a time.
 * Resolves when every member is verified; rejects when a signature is wrong (the group is then broken) or a check was left out.
 */
export async function verifyAll(group: Group, atOnce = 16): Promise<void> {
    for (;;) {
        const checks: SignatureCheck[] = [];
        while (checks.length < atOnce) {
            const check = group.verifyNext();
            if (check === undefined) break;
            checks.push(check);
        }
        if (checks.length === 0) break;
        const verdicts = await Promise.all(checks.map(verifyNatively));
        checks.forEach((check, i) => group.verifyDone(check, verdicts[i] ?? group.verifyHere(check)));
        if (group.state === 4) throw new Error('the signature of a member is wrong');
    }
    if (group.verifyLeft > 0) throw new Error('members are left unverified');
}
