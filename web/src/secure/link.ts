// What a meeting's link carries after `#`: the secret that lets people in, which browsers never send, and the suite. Pure.

export const SUITE_HYBRID = 0xf0a7;
export const SUITE_X25519 = 1;
const SECRET_LEN = 32;

export interface LinkKeys {
    secret: Uint8Array;
    suite: number;
}

export function suiteSupported(suite: number): boolean {
    return suite === SUITE_HYBRID || suite === SUITE_X25519;
}

export function suiteName(suite: number): string {
    return suite === SUITE_HYBRID
        ? 'MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519'
        : 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519';
}

function toBase64Url(bytes: Uint8Array): string {
    return btoa(String.fromCharCode(...bytes))
        .replace(/\+/g, '-')
        .replace(/\//g, '_')
        .replace(/=+$/, '');
}

function fromBase64Url(text: string): Uint8Array | undefined {
    if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return undefined;
    const bytes = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/') + '='), (c) => c.charCodeAt(0));
    return bytes.length === SECRET_LEN ? bytes : undefined;
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
    const secret = fromBase64Url(fields.get('k') ?? '');
    const suite = fields.has('s') ? Number(fields.get('s')) : SUITE_HYBRID;
    return secret && suiteSupported(suite) ? { secret, suite } : undefined;
}

/** A new meeting's fragment. The secret is made here and is nowhere else. */
export function makeFragment(suite: number): string {
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_LEN));
    const text = `#k=${toBase64Url(secret)}${suite === SUITE_HYBRID ? '' : `&s=${suite}`}`;
    secret.fill(0);
    return text;
}
