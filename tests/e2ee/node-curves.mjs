// Curves P-256, P-384 and P-521 by Node's own cryptography, for walks of hundreds of operations: in JavaScript a multiplication of a
// point costs many milliseconds. Only the curves: the module's logic and that of ts-mls stay what they are. suites.mjs keeps running
// the module with the curves that pages have, and curves.mjs compares these with those and with the HPKE that ts-mls brings.
//
// Members of a walk live in one process and compute the same things from the same keys (the nodes of one path, the signature of one
// commit), so what was computed is kept for a while.
import { createECDH } from 'node:crypto';
import { Ec, KemId } from '@hpke/common';
import { Aes128Gcm, Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, DhkemP384HkdfSha384, HkdfSha256, HkdfSha384 } from '@hpke/core';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { makeAead } from 'ts-mls/crypto/implementation/default/makeAead.js';
import { makeGenericHpke } from 'ts-mls/crypto/implementation/hpke.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');

// A commit in a group of twenty needs some hundred results; no more, as a walk makes thousands of commits.
const KEPT_MAX = 4096;
const kept = new Map();
function once(what, inputs, compute) {
  const id = `${what} ${inputs.map(hex).join(' ')}`;
  if (!kept.has(id)) {
    if (kept.size === KEPT_MAX) kept.clear();
    kept.set(id, compute());
  }
  return kept.get(id);
}

// by the numbers of groups and of signature algorithms, which are the same for these (src/crypto/host.h)
const CURVES = {
  2: { name: 'prime256v1', math: p256 },
  3: { name: 'secp384r1', math: p384 },
  4: { name: 'secp521r1', math: p521 },
};

/** Node computes the public key as well when it takes a private one: kept, with the key. */
const ecdh = (curve, privateKey) =>
  once(curve.name, [privateKey], () => {
    const key = createECDH(curve.name);
    key.setPrivateKey(privateKey);
    return { key, publicKey: new Uint8Array(key.getPublicKey()) };
  });
const publicOf = (curve, privateKey) => ecdh(curve, privateKey).publicKey.slice();
const shared = (curve, privateKey, publicKey) =>
  once(`${curve.name} dh`, [privateKey, publicKey], () => new Uint8Array(ecdh(curve, privateKey).key.computeSecret(publicKey))).slice();

/**
 * ECDSA of a digest (FIPS 186-5 section 6.4.2). Node hashes whatever it verifies, but its ECDH multiplies points: the point to check,
 * (e/s)G + (r/s)Q, is r/s times (e/r)G + Q. The first multiplication is a public key, and of the second only x is needed.
 */
function verify(curve, publicKey, digest, signature) {
  const { Point } = curve.math;
  const { Fn } = Point;
  const { r, s } = curve.math.Signature.fromBytes(signature, 'der');
  const Q = Point.fromBytes(publicKey);
  const e = Fn.create(BigInt(`0x${hex(digest.subarray(0, Fn.BYTES))}`));
  const sum = e === 0n ? Q : Point.fromBytes(publicOf(curve, Fn.toBytes(Fn.div(e, r)))).add(Q);
  if (sum.is0()) return false;
  const x = createECDH(curve.name);
  x.setPrivateKey(Fn.toBytes(Fn.div(r, s)));
  return Fn.create(BigInt(`0x${hex(x.computeSecret(sum.toBytes(false)))}`)) === r;
}

/** The host's curves (web/e2ee/host.ts); X448 and Ed448, and what is cheap, stay with `others`. */
export const nodeCurves = (others) => ({
  dhPublic: (group, key) => (CURVES[group] ? publicOf(CURVES[group], key) : others.dhPublic(group, key)),
  dhCheck: (group, key) => others.dhCheck(group, key),
  dh: (group, privateKey, publicKey) =>
    CURVES[group] ? shared(CURVES[group], privateKey, publicKey) : others.dh(group, privateKey, publicKey),
  signPublic: (algorithm, key) => (CURVES[algorithm] ? publicOf(CURVES[algorithm], key) : others.signPublic(algorithm, key)),
  sign: (algorithm, key, data) => others.sign(algorithm, key, data),
  verify: (algorithm, key, data, signature) =>
    CURVES[algorithm]
      ? once(`${CURVES[algorithm].name} verify`, [key, data, signature], () => verify(CURVES[algorithm], key, data, signature))
      : others.verify(algorithm, key, data, signature),
});

/** The part of @hpke's DHKEM that computes: keys are bytes here. The KEM itself and HPKE around it stay theirs. */
class NodeEc extends Ec {
  constructor(kem, kdf, curve) {
    super(kem, kdf);
    this.curve = curve;
  }

  pair = (privateKey) => {
    const publicKey = publicOf(this.curve, privateKey);
    return { privateKey: { bytes: privateKey }, publicKey: { bytes: publicKey } };
  };
  serializePublicKey = async (key) => key.bytes.slice().buffer;
  serializePrivateKey = async (key) => key.bytes.slice().buffer;
  deserializePublicKey = async (key) => {
    const bytes = new Uint8Array(key);
    if (bytes.length !== this._nPk) throw new Error('not the length of an uncompressed point');
    this.curve.math.Point.fromBytes(bytes).assertValidity();
    return { bytes };
  };
  deserializePrivateKey = async (key) => this.pair(new Uint8Array(key)).privateKey;
  // the end of deriveKeyPair, whose loop over candidates is theirs
  _deserializePkcs8Key = async (key) => ({ bytes: key.slice() });
  derivePublicKey = async (key) => this.pair(key.bytes).publicKey;
  generateKeyPair = async () => this.pair(this.curve.math.utils.randomSecretKey());
  dh = async (privateKey, publicKey) => shared(this.curve, privateKey.bytes, publicKey.bytes).buffer;
}

const HPKE = {
  'DHKEM-P256-HKDF-SHA256': { Kem: DhkemP256HkdfSha256, id: KemId.DhkemP256HkdfSha256, Kdf: HkdfSha256, curve: CURVES[2] },
  'DHKEM-P384-HKDF-SHA384': { Kem: DhkemP384HkdfSha384, id: KemId.DhkemP384HkdfSha384, Kdf: HkdfSha384, curve: CURVES[3] },
};

/** The HPKE of a suite of ts-mls (`ciphersuite.hpke`) over these curves; undefined for other KEMs. */
export async function nodeHpke(algorithms) {
  const parts = HPKE[algorithms.kem];
  if (!parts) return undefined;
  const kem = new parts.Kem();
  kem._prim = new NodeEc(parts.id, kem._kdf, parts.curve);
  const [aead, aeadInterface] = await makeAead(algorithms.aead);
  return makeGenericHpke(algorithms, aead, new CipherSuite({ kem, kdf: new parts.Kdf(), aead: aeadInterface }));
}
