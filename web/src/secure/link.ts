// What a meeting's link carries after `#`, which browsers never send: the secret that lets people in, who runs the server, the keys and
// the suite that the id commits to (docs/delivery-protocol.md). Pure.

export const SUITE_HYBRID = 0xf0a7;
export const SUITE_X25519 = 1;
const KEY_LEN = 32;
const OPERATOR_HASH_LEN = 16;
const KIND_NOW = 1;
const KIND_ANYBODY = 128;

export interface LinkKeys {
    secret: Uint8Array<ArrayBuffer>;
    /** The first 16 bytes of SHA-256 of the operator key. */
    operatorHash: Uint8Array<ArrayBuffer>;
    /** The owner's public key. */
    owner: Uint8Array<ArrayBuffer>;
    /** Only in the host link: it makes a host of who has it. */
    ownerSeed: Uint8Array<ArrayBuffer> | undefined;
    suite: number;
    /** Of the meeting: who may begin it. */
    kind: number;
}

export function suiteSupported(suite: number): boolean {
    return suite === SUITE_HYBRID || suite === SUITE_X25519;
}

export function suiteName(suite: number): string {
    return suite === SUITE_HYBRID
        ? 'MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519'
        : 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519';
}

export function toBase64Url(bytes: Uint8Array): string {
    return btoa(String.fromCharCode(...bytes))
        .replace(/\+/g, '-')
        .replace(/\//g, '_')
        .replace(/=+$/, '');
}

/** Exactly `length` bytes; undefined for any other text. */
export function fromBase64Url(text: string, length: number): Uint8Array<ArrayBuffer> | undefined {
    if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length !== Math.ceil((length * 8) / 6)) return undefined;
    const padded = text.replace(/-/g, '+').replace(/_/g, '/').padEnd(Math.ceil(text.length / 4) * 4, '=');
    return Uint8Array.from(atob(padded), (c) => c.charCodeAt(0));
}

/** The fragment of a link, with its `#`; undefined: the link is incomplete, or of a suite that is not known here. */
export function parseFragment(hash: string): LinkKeys | undefined {
    const fields = new Map(
        hash
            .replace(/^#/, '')
            .split('&')
            .map((field): [string, string] => {
                const at = field.indexOf('=');
                return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)];
            }),
    );
    const bytes = (name: string, length: number): Uint8Array<ArrayBuffer> | undefined => fromBase64Url(fields.get(name) ?? '', length);
    const secret = bytes('k', KEY_LEN);
    const operatorHash = bytes('o', OPERATOR_HASH_LEN);
    const owner = bytes('w', KEY_LEN);
    const suite = fields.has('s') ? Number(fields.get('s')) : SUITE_HYBRID;
    if (!secret || !operatorHash || !owner || !suiteSupported(suite)) return undefined;
    const kind = KIND_NOW + (fields.get('j') === '1' ? KIND_ANYBODY : 0);
    return { secret, operatorHash, owner, ownerSeed: bytes('h', KEY_LEN), suite, kind };
}

/** What is given to others: never with the owner's seed. */
export function writeFragment(keys: Omit<LinkKeys, 'ownerSeed'>): string {
    const fields = [`k=${toBase64Url(keys.secret)}`, `o=${toBase64Url(keys.operatorHash)}`, `w=${toBase64Url(keys.owner)}`];
    if (keys.kind & KIND_ANYBODY) fields.push('j=1');
    if (keys.suite !== SUITE_HYBRID) fields.push(`s=${keys.suite}`);
    return `#${fields.join('&')}`;
}

export function wipeLink(keys: LinkKeys | undefined): void {
    keys?.secret.fill(0);
    keys?.ownerSeed?.fill(0);
}

/** Meetings that this page makes: whoever has the link may begin them. */
export const NEW_KIND = KIND_NOW + KIND_ANYBODY;
