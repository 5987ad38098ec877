// SFrame (RFC 9605) and what is around it in a frame of a codec (src/e2ee/frame.h), read apart from the C, with Node's own
// AES and HKDF.
import crypto from 'node:crypto';

export const CODEC = { data: 0, opus: 1, vp8: 2, vp9: 3, h264: 4, av1: 5 };
const SUITE = 5; // AES_256_GCM_SHA512_128
const TAG = 16;

const number = (bytes) => bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);

/** Section 4.3: {kid, ctr, length}; null when there is none. */
export function readHeader(bytes) {
  const config = bytes[0];
  let at = 1;
  const part = (flag, bits) => {
    if (!flag) return BigInt(bits);
    const value = bytes.subarray(at, at + bits + 1);
    at += bits + 1;
    return number(value);
  };
  const kid = part(config >> 7, (config >> 4) & 7);
  const ctr = part((config >> 3) & 1, config & 7);
  return at + TAG <= bytes.length ? { kid, ctr, length: at } : null;
}

/** Section 5.2, with the widths of docs/e2ee.md. */
export const splitKid = (kid) => ({ context: Number(kid >> 24n), leaf: Number((kid >> 8n) & 0xffffn), epoch8: Number(kid & 0xffn) });

/** Section 4.4.2. */
export function deriveKey(baseKey, kid) {
  const tail = Buffer.alloc(10);
  tail.writeBigUInt64BE(kid);
  tail.writeUInt16BE(SUITE, 8);
  const expand = (label, length) => Buffer.from(crypto.hkdfSync('sha512', baseKey, Buffer.alloc(0), Buffer.concat([Buffer.from(label), tail]), length));
  return { key: expand('SFrame 1.0 Secret key ', 32), salt: expand('SFrame 1.0 Secret salt ', 12) };
}

function unescape(before, bytes) {
  const out = [];
  let zeros = 0;
  for (const byte of before.subarray(-2)) zeros = byte === 0 ? zeros + 1 : 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(out);
}

/** A sealed frame in its parts: {clear, header, kid, ctr, body} (body: ciphertext and tag); null when it is none. */
export function takeApart(codec, sealed) {
  let bytes = Buffer.from(sealed);
  if (codec === CODEC.av1) {
    if (bytes[0] !== 0x2a) return null;
    let at = 1;
    while (bytes[at] >= 0x80) at++;
    bytes = bytes.subarray(at + 1);
  }
  const last = bytes.at(-1);
  if (!(last >= 0x80)) return null;
  const trailer = last === 0xff ? 3 : 1;
  const clearLength = last === 0xff ? bytes.readUInt16BE(bytes.length - 3) : last & 127;
  if (clearLength + trailer >= bytes.length) return null;
  const clear = bytes.subarray(0, clearLength);
  let rest = bytes.subarray(clearLength);
  if (codec === CODEC.h264) rest = unescape(clear, rest);
  rest = rest.subarray(0, rest.length - trailer);
  const header = rest.length > TAG ? readHeader(rest) : null;
  if (!header) return null;
  return { clear, header: rest.subarray(0, header.length), kid: header.kid, ctr: header.ctr, body: rest.subarray(header.length) };
}

export function nonceOf(salt, ctr) {
  const nonce = Buffer.from(salt);
  for (let i = 11, value = ctr; value > 0n; i--, value >>= 8n) nonce[i] ^= Number(value & 0xffn);
  return nonce;
}

/** Opens a frame that was taken apart with a base key; null when it does not open. `kind`: 1 sound, 2 camera and so on. */
export function openParts(parts, baseKey, codec, kind) {
  const { key, salt } = deriveKey(baseKey, parts.kid);
  for (const type of [0, 1, 2]) {
    const opener = crypto.createDecipheriv('aes-256-gcm', key, nonceOf(salt, parts.ctr), { authTagLength: TAG });
    opener.setAAD(Buffer.concat([parts.header, Buffer.from([codec, kind, type, parts.clear.length >> 8, parts.clear.length & 255]), parts.clear]));
    opener.setAuthTag(parts.body.subarray(-TAG));
    const text = opener.update(parts.body.subarray(0, -TAG));
    try {
      opener.final();
      return Buffer.concat([parts.clear, text]);
    } catch {
      // another type, or another key
    }
  }
  return null;
}
