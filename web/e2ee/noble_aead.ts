// AEADs by the @noble libraries, for the synchronous calls of handshakes.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { Aead } from './host';

const cipher = (algorithm: number, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) =>
    algorithm === 2 ? chacha20poly1305(key, nonce, aad) : gcm(key, nonce, aad);

export const nobleAead: Aead = {
    seal: (algorithm, key, nonce, aad, text) => cipher(algorithm, key, nonce, aad).encrypt(text),
    open: (algorithm, key, nonce, aad, sealed) => cipher(algorithm, key, nonce, aad).decrypt(sealed),
};
