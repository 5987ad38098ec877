// The curves that walks use (node-curves.mjs) against those that pages have, and against the HPKE that ts-mls brings.
import crypto from 'node:crypto';
import * as ts from 'ts-mls';
import { check, checkEqual, test } from '../lib/runner.mjs';
import { library, quickLibrary } from './library.mjs';
import { nodeCurves, nodeHpke } from './node-curves.mjs';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const outcome = (action) => {
  try {
    return action();
  } catch {
    return 'thrown';
  }
};

test("the module's known answers of the curves hold over Node's", async () => {
  const { module } = await quickLibrary();
  const wrong = module.number('wasm_self_test_curves');
  check(wrong === 0, `wrong: ${wrong && module.text(wrong)}`);
});

for (const [number, digestLen, name] of [[2, 32, 'P-256'], [3, 48, 'P-384'], [4, 64, 'P-521']]) {
  test(`${name}: keys, shared secrets and signatures by Node are those of @noble/curves`, async () => {
    const noble = (await library()).e2ee.nobleCurves;
    const node = nodeCurves(noble);
    const privateKey = () => {
      const key = crypto.createECDH({ 2: 'prime256v1', 3: 'secp384r1', 4: 'secp521r1' }[number]);
      key.generateKeys();
      const scalar = key.getPrivateKey();
      return new Uint8Array(Buffer.concat([Buffer.alloc({ 2: 32, 3: 48, 4: 66 }[number] - scalar.length), scalar]));
    };
    for (let i = 0; i < 8; i++) {
      const [a, b] = [privateKey(), privateKey()];
      const [A, B] = [node.dhPublic(number, a), node.signPublic(number, b)];
      checkEqual([hex(A), hex(B)], [hex(noble.dhPublic(number, a)), hex(noble.signPublic(number, b))], 'public keys');
      checkEqual(hex(node.dh(number, a, B)), hex(noble.dh(number, a, B)), 'a shared secret');
      checkEqual(hex(node.dh(number, b, A)), hex(node.dh(number, a, B)), 'the other side');
      // of zeros only: the sum begins with the key alone
      const digest = i === 0 ? new Uint8Array(digestLen) : new Uint8Array(crypto.randomBytes(digestLen));
      const signature = noble.sign(number, a, digest);
      check(node.verify(number, A, digest, signature) === true, 'a signature');
      const other = digest.slice();
      other[digestLen - 1] ^= 1;
      check(node.verify(number, A, other, signature) === false, 'of another digest');
      check(node.verify(number, B, digest, signature) === false, 'by another key');
      const negated = A.slice(); // the point with the same x, which a check of x alone would take
      const p = { 2: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n, 3: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n, 4: 2n ** 521n - 1n }[number];
      const half = (A.length - 1) / 2;
      negated.set(Buffer.from((p - BigInt(`0x${hex(A.subarray(1 + half))}`)).toString(16).padStart(2 * half, '0'), 'hex'), 1 + half);
      checkEqual(node.verify(number, negated, digest, signature), noble.verify(number, negated, digest, signature), 'by the negated key');
      for (const at of [0, 3, 8, signature.length - 1]) {
        const changed = signature.slice();
        changed[at] ^= 1;
        check(outcome(() => node.verify(number, A, digest, changed)) !== true, `with byte ${at} changed`);
      }
      const off = A.slice();
      off[off.length - 1] ^= 1;
      checkEqual([outcome(() => node.dh(number, b, off)), outcome(() => node.dhCheck(number, off))], ['thrown', 'thrown'], 'a point off the curve');
    }
  });
}

for (const name of ['MLS_128_DHKEMP256_AES128GCM_SHA256_P256', 'MLS_256_DHKEMP384_AES256GCM_SHA384_P384']) {
  test(`${name}: HPKE over Node's curves and that of ts-mls open each other's`, async () => {
    const algorithms = ts.getCiphersuiteFromName(name);
    const { hpke: theirs } = await ts.getCiphersuiteImpl(algorithms, ts.defaultCryptoProvider);
    const own = await nodeHpke(algorithms.hpke);
    const [info, aad, text, context] = [7, 0, 40, 5].map((length) => new Uint8Array(crypto.randomBytes(length)));
    for (const [one, other] of [[own, theirs], [theirs, own]]) {
      const ikm = new Uint8Array(crypto.randomBytes(48));
      const pairs = [await one.deriveKeyPair(ikm), await other.deriveKeyPair(ikm)];
      const bytes = [hex(await one.exportPublicKey(pairs[0].publicKey)), hex(await one.exportPrivateKey(pairs[0].privateKey))];
      checkEqual(bytes, [hex(await other.exportPublicKey(pairs[1].publicKey)), hex(await other.exportPrivateKey(pairs[1].privateKey))], 'derived keys');
      for (const pair of [pairs[0], await one.generateKeyPair()]) {
        const publicKey = await other.importPublicKey(await one.exportPublicKey(pair.publicKey));
        const sealed = await other.seal(publicKey, text, info, aad);
        checkEqual(hex(await one.open(pair.privateKey, sealed.enc, sealed.ct, info, aad)), hex(text), 'what was sealed');
        const again = await one.importPrivateKey(await one.exportPrivateKey(pair.privateKey));
        const exported = await other.exportSecret(publicKey, context, 32, info);
        checkEqual(hex(await one.importSecret(again, context, exported.enc, 32, info)), hex(exported.secret), 'the exported secret');
        const off = exported.enc.slice();
        off[off.length - 1] ^= 1;
        checkEqual(await own.importPublicKey(off).then(() => 'taken', () => 'refused'), 'refused', 'a point off the curve');
      }
    }
  });
}
