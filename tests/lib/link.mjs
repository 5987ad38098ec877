// Links of meetings as docs/delivery-protocol.md derives them, apart from the C and from the web client.
import crypto from 'node:crypto';

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex'); // Ed25519 (RFC 8410 section 7), before the seed
const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key, data) => crypto.createHmac('sha256', key).update(data).digest();
const u16 = (value) => Buffer.from([value >> 8, value & 255]);

export const b64 = (bytes) => Buffer.from(bytes).toString('base64url');
export const HYBRID = 0xf0a7;
export const ANYBODY = 128;

export const privateKey = (seed) => crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
export const publicOf = (seed) => Buffer.from(crypto.createPublicKey(privateKey(seed)).export({ format: 'jwk' }).x, 'base64url');
export const sign = (seed, bytes) => crypto.sign(null, bytes, privateKey(seed));

/** What follows from a link's secret. */
export function deriveLink(secret) {
  const prk = hmac(Buffer.from('conclave link v2'), secret);
  const expand = (name) => hmac(prk, Buffer.concat([Buffer.from(`conclave link ${name} v2`), Buffer.from([1])]));
  const seed = expand('sign');
  return { seed, linkKey: publicOf(seed), psk: expand('psk') };
}

/** The part of the id that the server does not choose. */
export const idHash = ({ linkKey, owner, operator, suite, kind }) =>
  sha256(Buffer.from('conclave id v2'), linkKey, owner, operator, u16(suite), Buffer.from([kind])).subarray(0, 16);

export const meetingHash = (id) => sha256(Buffer.from('conclave meeting v2'), Buffer.from(id));

export const identityOf = (id, seatKey) =>
  `p_${b64(sha256(Buffer.from('conclave identity v2'), meetingHash(id), seatKey).subarray(0, 16))}`;

/** What stands after `#`; `ownerSeed` only in the host link. */
export function fragmentOf({ secret, operator, owner, kind, suite }, ownerSeed) {
  const fields = [`k=${b64(secret)}`, `o=${b64(sha256(operator).subarray(0, 16))}`, `w=${b64(owner)}`];
  if (kind & ANYBODY) fields.push('j=1');
  if (suite !== HYBRID) fields.push(`s=${suite}`);
  if (ownerSeed) fields.push(`h=${b64(ownerSeed)}`);
  return `#${fields.join('&')}`;
}

/**
 * A new meeting, as its maker's page makes it: {id, secret, operator, owner, ownerSeed, kind, suite, path, hostPath}, byte strings as
 * Buffers.
 */
export async function makeMeeting(url, { kind = 1 + ANYBODY, suite } = {}) {
  const house = await (await fetch(`${url}/api/v2/house`)).json();
  const meeting = {
    secret: crypto.randomBytes(32),
    ownerSeed: crypto.randomBytes(32),
    operator: Buffer.from(house.operator, 'base64url'),
    suite: suite ?? house.suite,
    kind,
  };
  meeting.owner = publicOf(meeting.ownerSeed);
  const { linkKey } = deriveLink(meeting.secret);
  const reply = await fetch(`${url}/api/v2/meetings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ link_key: b64(linkKey), owner_key: b64(meeting.owner), suite: meeting.suite, kind }),
  });
  if (reply.status !== 201) throw new Error(`no meeting: ${reply.status} ${await reply.text()}`);
  meeting.id = (await reply.json()).id;
  if (!Buffer.from(meeting.id, 'base64url').subarray(0, 16).equals(idHash({ ...meeting, linkKey }))) throw new Error('the id is of another meeting');
  meeting.path = `/m/${meeting.id}${fragmentOf(meeting)}`;
  meeting.hostPath = `/m/${meeting.id}${fragmentOf(meeting, meeting.ownerSeed)}`;
  return meeting;
}

/** A meeting that no server made: for services that tests play. */
export function inventMeeting({ kind = 1 + ANYBODY, suite = 1, secret = crypto.randomBytes(32), ownerSeed = crypto.randomBytes(32) } = {}) {
  const meeting = { secret, ownerSeed, operator: crypto.randomBytes(32), owner: publicOf(ownerSeed), suite, kind };
  const { linkKey } = deriveLink(secret);
  meeting.id = Buffer.concat([idHash({ ...meeting, linkKey }), crypto.randomBytes(8)]).toString('base64url');
  return meeting;
}
