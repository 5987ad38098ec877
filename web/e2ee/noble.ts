// Curves by the @noble libraries.
import { ed448, x448 } from '@noble/curves/ed448.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { Curves } from './host';

const nist = (number: number) => (number === 2 ? p256 : number === 3 ? p384 : p521);

// Digests are made in the module; signatures with a high s are as good as others (FIPS 186-5 has no rule about it).
const ECDSA = { prehash: false, lowS: false, format: 'der' } as const;

export const nobleCurves: Curves = {
    dhPublic: (group, key) => (group === 1 ? x448.getPublicKey(key) : nist(group).getPublicKey(key, false)),
    dhCheck: (group, key) => nist(group).Point.fromBytes(key).assertValidity(),
    dh: (group, privateKey, publicKey) =>
        group === 1
            ? x448.getSharedSecret(privateKey, publicKey)
            : nist(group).getSharedSecret(privateKey, publicKey, true).slice(1),
    signPublic: (algorithm, key) => (algorithm === 1 ? ed448.getPublicKey(key) : nist(algorithm).getPublicKey(key, false)),
    sign: (algorithm, key, data) => (algorithm === 1 ? ed448.sign(data, key) : nist(algorithm).sign(data, key, ECDSA)),
    verify: (algorithm, key, data, signature) =>
        algorithm === 1 ? ed448.verify(signature, data, key) : nist(algorithm).verify(signature, data, key, ECDSA),
};
