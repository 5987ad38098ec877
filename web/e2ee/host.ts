// The module's imports: primitives that are not in it (src/crypto/host.h describes each). All are synchronous. A host is made of
// parts, so that a page which only ever uses the suites over X25519 need not load the other curves.
export interface Aead {
    seal(algorithm: number, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array;
    /** Throws when the tag is wrong. */
    open(algorithm: number, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array;
}

export interface Curves {
    dhPublic(group: number, privateKey: Uint8Array): Uint8Array;
    /** Throws when the point is not on its curve. */
    dhCheck(group: number, publicKey: Uint8Array): void;
    dh(group: number, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
    signPublic(algorithm: number, privateKey: Uint8Array): Uint8Array;
    sign(algorithm: number, privateKey: Uint8Array, data: Uint8Array): Uint8Array;
    verify(algorithm: number, publicKey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
}

const GOOD = 0;
const INVALID = 1;
const UNSUPPORTED = 3;

const KEY_LEN = [16, 32, 32];
const NONCE_LEN = 12;
const TAG_LEN = 16;
// by number: X448, P-256, P-384, P-521, for groups; Ed448, P-256, P-384, P-521 for signatures
const DH_PRIVATE_LEN = [0, 56, 32, 48, 66];
const DH_PUBLIC_LEN = [0, 56, 65, 97, 133];
const SIGN_PRIVATE_LEN = [0, 57, 32, 48, 66];
const SIGN_PUBLIC_LEN = [0, 57, 65, 97, 133];

function randomFill(out: Uint8Array): void {
    const LEN_MAX = 65536; // of one call, by the Web Cryptography API
    for (let at = 0; at < out.length; at += LEN_MAX) {
        const part = new Uint8Array(Math.min(LEN_MAX, out.length - at));
        crypto.getRandomValues(part);
        out.set(part, at);
    }
}

/** `memory` answers the module's memory, which exists only after the imports do. */
export function hostImports(
    memory: () => WebAssembly.Memory,
    aead: Aead,
    curves: Curves | undefined,
): WebAssembly.ModuleImports {
    const at = (address: number, length: number): Uint8Array => new Uint8Array(memory().buffer, address, length);
    const attempt = (action: () => boolean | void): number => {
        try {
            return action() === false ? INVALID : GOOD;
        } catch {
            return INVALID;
        }
    };
    const withCurves = (action: (c: Curves) => boolean | void): number =>
        curves === undefined ? UNSUPPORTED : attempt(() => action(curves));
    const text = (address: number): string => {
        const bytes = new Uint8Array(memory().buffer, address);
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    };
    return {
        aead_seal: (a: number, key: number, nonce: number, aad: number, aadLen: number, from: number, len: number, out: number) =>
            attempt(() => {
                const sealed = aead.seal(
                    a, at(key, KEY_LEN[a]!).slice(), at(nonce, NONCE_LEN).slice(), at(aad, aadLen).slice(), at(from, len).slice(),
                );
                at(out, len + TAG_LEN).set(sealed);
            }),
        aead_open: (a: number, key: number, nonce: number, aad: number, aadLen: number, from: number, len: number, out: number) =>
            attempt(() => {
                const opened = aead.open(
                    a, at(key, KEY_LEN[a]!).slice(), at(nonce, NONCE_LEN).slice(), at(aad, aadLen).slice(), at(from, len).slice(),
                );
                at(out, len - TAG_LEN).set(opened);
                opened.fill(0);
            }),
        dh_public: (group: number, key: number, out: number) =>
            withCurves((c) => at(out, DH_PUBLIC_LEN[group]!).set(c.dhPublic(group, at(key, DH_PRIVATE_LEN[group]!).slice()))),
        dh_check: (group: number, key: number) => withCurves((c) => c.dhCheck(group, at(key, DH_PUBLIC_LEN[group]!).slice())),
        dh: (group: number, privateKey: number, publicKey: number, out: number) =>
            withCurves((c) => {
                const shared = c.dh(
                    group, at(privateKey, DH_PRIVATE_LEN[group]!).slice(), at(publicKey, DH_PUBLIC_LEN[group]!).slice(),
                );
                at(out, DH_PRIVATE_LEN[group]!).set(shared);
            }),
        sign_public: (algorithm: number, key: number, out: number) =>
            withCurves((c) =>
                at(out, SIGN_PUBLIC_LEN[algorithm]!).set(c.signPublic(algorithm, at(key, SIGN_PRIVATE_LEN[algorithm]!).slice())),
            ),
        sign: (algorithm: number, key: number, data: number, len: number, out: number, outLen: number) =>
            withCurves((c) => {
                const signature = c.sign(algorithm, at(key, SIGN_PRIVATE_LEN[algorithm]!).slice(), at(data, len).slice());
                at(out, signature.length).set(signature);
                new DataView(memory().buffer).setUint32(outLen, signature.length, true);
            }),
        verify: (algorithm: number, key: number, data: number, len: number, signature: number, signatureLen: number) =>
            withCurves((c) =>
                c.verify(
                    algorithm, at(key, SIGN_PUBLIC_LEN[algorithm]!).slice(), at(data, len).slice(), at(signature, signatureLen).slice(),
                ),
            ),
        random: (out: number, len: number) => randomFill(at(out, len)),
        panic: (expression: number, file: number, line: number) => {
            throw new Error(`assertion failed: ${text(expression)} (${text(file)}:${line})`);
        },
    };
}
