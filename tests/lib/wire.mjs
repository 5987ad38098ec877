// The delivery protocol on the wire (docs/delivery-protocol.md), read and written apart from the C: for tests that stand
// between a server and its clients, or take the server's place.

// Numbers are numbers of so many bits, 'v' a vector, a number so many bytes.
const FIELDS = {
  1: ['hello', {
    how: 'u8', flags: 'u8', features: 'u32', kind: 'u8', suite: 'u16', first_link_key: 32, owner: 32, link_key: 32, generation: 'u32', seat_key: 'v',
    nonce: 32, term: 'u64', claim: 16, epoch: 'u64', last_seq: 'u64', key_package: 'v', link_signature: 64, leaf_signature: 64,
  }],
  2: ['create', { group_info: 'v', tree: 'v' }],
  3: ['commit', { flags: 'u8', commit: 'v', welcome: 'v', group_info: 'v', left_out: 'v' }],
  4: ['ack', { epoch: 'u64', info_tag: 16 }],
  5: ['bad', { epoch: 'u64', status: 'u16' }],
  6: ['app', { flags: 'u8', message: 'v' }],
  7: ['direct', { to: 'v', sealed: 'v' }],
  8: ['leave', {}],
  9: ['restated', { group_info: 'v', tree: 'v' }],
  14: ['moderate', { what: 'u8', bits: 'u32', target: 'v' }],
  16: ['where', { epoch: 'u64', context_hash: 32, next_hash: 32 }],
  15: ['checked', { ticket: 'u64', good: 'u8', status: 'u16' }],
  128: ['challenge', { nonce: 32, features: 'u32', term: 'u64', claim: 16, unix_s: 'u64' }],
  129: ['state', { suite: 'u16', standing: 'u8', term: 'u64', claim: 16, here: 'v', token: 'v', info: 'v', file_len_max: 'u64' }],
  130: ['create_now', { external_sender: 'v' }],
  131: ['join_now', { group_info: 'v', tree_hash: 'v', from_epoch: 'u64' }],
  132: ['commit_now', { epoch: 'u64', packages: 'v' }],
  133: ['handshake', { seq: 'u64', message: 'v' }],
  134: ['accepted', { seq: 'u64', epoch: 'u64' }],
  135: ['stale', { epoch: 'u64', reason: 'v' }],
  136: ['welcome', { seq: 'u64', welcome: 'v', tree_hash: 'v' }],
  137: ['app_from', { seq: 'u64', from: 'v', message: 'v' }],
  138: ['direct_from', { from: 'v', sealed: 'v' }],
  139: ['ready', { seq: 'u64', epoch: 'u64' }],
  140: ['resync', { group_info: 'v', tree_hash: 'v', from_epoch: 'u64' }],
  141: ['gone', { reason: 'u8', by: 'v' }],
  142: ['online', { identities: 'v' }],
  143: ['sent', { seq: 'u64' }],
  145: ['restate', { flags: 'u8' }],
  148: ['waiting', { position: 'u16', entry: 'u8', mode: 'u8', host_here: 'u8', policy: 'v' }],
  153: ['check_now', { ticket: 'u64', commit: 'v', group_info: 'v' }],
  154: ['moderated', { what: 'u8', bits: 'u32', target: 'v', by: 'v' }],
  155: ['withdrawn', { seq: 'u64', epoch: 'u64' }],
  224: ['closing', { within_s: 'u32' }],
};
const RESUMED = 4;
const NUMBERS = Object.fromEntries(Object.entries(FIELDS).map(([number, [name]]) => [name, Number(number)]));

/** A vector of RFC 9420 section 2.1.2: its length in 1, 2 or 4 bytes. */
export function vector(bytes) {
  const { length } = bytes;
  let head;
  if (length < 64) head = Buffer.from([length]);
  else if (length < 16384) head = Buffer.from([0x40 | (length >> 8), length & 255]);
  else {
    head = Buffer.alloc(4);
    head.writeUInt32BE((0x80000000 | length) >>> 0);
  }
  return Buffer.concat([head, bytes]);
}

export class Reader {
  constructor(bytes) {
    this.bytes = Buffer.from(bytes);
    this.at = 0;
  }

  take(length) {
    if (this.at + length > this.bytes.length) throw new Error('too short');
    return this.bytes.subarray(this.at, (this.at += length));
  }

  u8 = () => this.take(1)[0];
  u16 = () => this.take(2).readUInt16BE();
  u32 = () => this.take(4).readUInt32BE();
  u64 = () => Number(this.take(8).readBigUInt64BE());
  get left() {
    return this.bytes.length - this.at;
  }

  v() {
    const first = this.u8();
    const size = 1 << (first >> 6);
    let length = first & 63;
    for (let i = 1; i < size; i++) length = length * 256 + this.u8();
    return this.take(length);
  }
}

/** {type: name, ...fields}; numbers are numbers, vectors Buffers. */
export function readWire(bytes) {
  const r = new Reader(bytes);
  const [type, fields] = FIELDS[r.u8()];
  const message = { type };
  for (const [name, kind] of Object.entries(fields)) message[name] = typeof kind === 'number' ? r.take(kind) : r[kind]();
  if (message.standing === RESUMED) Object.assign(message, { epoch: r.u64(), seq: r.u64() });
  if (r.left > 0) throw new Error(`${r.left} bytes after a ${type}`);
  return message;
}

export const uint = (value, size) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes.subarray(8 - size);
};

export function writeWire(message) {
  const number = NUMBERS[message.type];
  const parts = [Buffer.from([number])];
  for (const [name, kind] of Object.entries(FIELDS[number][1])) {
    const value = message[name];
    if (kind === 'v') parts.push(vector(value ?? Buffer.alloc(0)));
    else if (typeof kind === 'number') parts.push(value ?? Buffer.alloc(kind));
    else parts.push(uint(value ?? 0, Number(kind.slice(1)) / 8));
  }
  if (message.standing === RESUMED) parts.push(uint(message.epoch, 8), uint(message.seq, 8));
  return Buffer.concat(parts);
}

/** What can be read in clear of an MLSMessage with a PublicMessage, a PrivateMessage or a GroupInfo. */
export function readMls(bytes) {
  const r = new Reader(bytes);
  const version = r.u16();
  const format = { 1: 'public', 2: 'private', 3: 'welcome', 4: 'group_info', 5: 'key_package' }[r.u16()];
  const result = { version, format };
  if (format === 'group_info') Object.assign(result, { contextVersion: r.u16(), suite: r.u16(), group: r.v(), epoch: r.u64() });
  if (format === 'private') Object.assign(result, { group: r.v(), epoch: r.u64(), content: r.u8() });
  if (format === 'public') {
    Object.assign(result, { group: r.v(), epoch: r.u64(), sender: r.u8() });
    if (result.sender <= 2) result.index = r.u32();
    Object.assign(result, { data: r.v(), content: r.u8() });
  }
  return result;
}
