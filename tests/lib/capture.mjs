// Packets on the wire, and what a server sees in them: TCP streams put together, WebSocket frames unmasked, DTLS and SRTP
// taken off with the server's own keys (tools/keylog.c). All of it apart from the C.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import { until } from './runner.mjs';

/**
 * Captures with dumpcap until stop(); `filter` is libpcap's. What was sent before stop() is in the file: a datagram to
 * `markerPort`, which the filter lets through and whose owner drops it, is waited for.
 */
export async function startCapture(t, file, { device = 'lo', filter = '', markerPort }) {
  const child = spawn('dumpcap', ['-P', '-q', '-i', device, '-B', '64', '-w', file, ...(filter ? ['-f', filter] : [])], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const kill = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    await ended;
  };
  const stop = async () => {
    const marker = crypto.randomBytes(32);
    const socket = dgram.createSocket('udp4');
    socket.send(marker, markerPort, '127.0.0.1');
    await until('the capture to be written', () => fs.readFileSync(file).includes(marker));
    socket.close();
    await kill();
  };
  t.defer(kill);
  await until('the capture to run', () => {
    if (child.exitCode !== null) throw new Error(`dumpcap: ${said}`);
    return said.includes('File:');
  });
  return { file, stop, said: () => said };
}

/** {time, source, target, protocol: 'udp'|'tcp', from, to, payload, seq, syn} of each UDP and TCP packet of a pcap file. */
export function* packets(file) {
  const bytes = fs.readFileSync(file);
  const link = bytes.readUInt32LE(20);
  if (bytes.readUInt32LE(0) !== 0xa1b2c3d4 && bytes.readUInt32LE(0) !== 0xa1b23c4d) throw new Error('no pcap file');
  const skip = { 1: 14, 113: 16, 276: 20, 101: 0 }[link];
  const kindAt = { 1: 12, 113: 14, 276: 0 }[link];
  for (let at = 24; at + 16 <= bytes.length;) {
    const time = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) / 1e6;
    const length = bytes.readUInt32LE(at + 8);
    const frame = bytes.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const kind = kindAt === undefined ? 0x800 : frame.readUInt16BE(kindAt);
    const ip = frame.subarray(skip);
    let protocol, rest, source, target;
    if (kind === 0x800 && ip.length >= 20) {
      protocol = ip[9];
      rest = ip.subarray((ip[0] & 15) * 4, ip.readUInt16BE(2) || undefined);
      source = [...ip.subarray(12, 16)].join('.');
      target = [...ip.subarray(16, 20)].join('.');
    } else if (kind === 0x86dd && ip.length >= 40) {
      protocol = ip[6];
      rest = ip.subarray(40);
      source = ip.toString('hex', 8, 24);
      target = ip.toString('hex', 24, 40);
    } else {
      yield { time, protocol: 'other', kind, frame };
      continue;
    }
    const packet = { time, source, target, protocol: { 6: 'tcp', 17: 'udp' }[protocol] ?? 'other', number: protocol };
    if (packet.protocol === 'udp') Object.assign(packet, { from: rest.readUInt16BE(0), to: rest.readUInt16BE(2), payload: rest.subarray(8) });
    if (packet.protocol === 'tcp')
      Object.assign(packet, { from: rest.readUInt16BE(0), to: rest.readUInt16BE(2), seq: rest.readUInt32BE(4), syn: (rest[13] & 2) !== 0, payload: rest.subarray((rest[12] >> 4) * 4) });
    yield packet;
  }
}

/** The bytes of each direction of each TCP connection: {name, port (the server's), toServer, bytes}. */
export function tcpStreams(all, serverPorts) {
  const flows = new Map();
  for (const packet of all) {
    if (packet.protocol !== 'tcp' || !(serverPorts.includes(packet.to) || serverPorts.includes(packet.from))) continue;
    const name = `${packet.from}>${packet.to}`;
    if (packet.syn || !flows.has(name)) flows.set(name, { name, toServer: serverPorts.includes(packet.to), base: (packet.seq + (packet.syn ? 1 : 0)) >>> 0, parts: new Map() });
    if (packet.payload.length > 0) {
      const flow = flows.get(name);
      const offset = (packet.seq - flow.base) >>> 0;
      if (!(flow.parts.get(offset)?.length >= packet.payload.length)) flow.parts.set(offset, packet.payload);
    }
  }
  return [...flows.values()].map(({ name, toServer, parts }) => {
    const out = [];
    let at = 0;
    for (const [offset, part] of [...parts].sort((a, b) => a[0] - b[0])) {
      if (offset + part.length <= at) continue;
      out.push(part.subarray(Math.max(0, at - offset)));
      at = offset + part.length;
    }
    return { name, toServer, bytes: Buffer.concat(out) };
  });
}

/** The messages of a WebSocket in one direction, unmasked; empty when the stream is none. */
export function webSocketMessages({ bytes }) {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0 || !/upgrade: websocket/i.test(bytes.toString('latin1', 0, head))) return [];
  const messages = [];
  for (let at = head + 4; at + 2 <= bytes.length;) {
    let length = bytes[at + 1] & 127;
    const masked = bytes[at + 1] >> 7;
    let body = at + 2;
    if (length === 126) (length = bytes.readUInt16BE(body)), (body += 2);
    else if (length === 127) (length = Number(bytes.readBigUInt64BE(body))), (body += 8);
    const mask = masked ? bytes.subarray(body, (body += 4)) : null;
    const content = Buffer.from(bytes.subarray(body, body + length));
    if (mask) for (let i = 0; i < content.length; i++) content[i] ^= mask[i & 3];
    messages.push(content);
    at = body + length;
  }
  return messages;
}

// ---- DTLS 1.2 and SRTP ----

/** RFC 5246 section 5. */
function prf(hash, secret, label, seed, length) {
  const whole = Buffer.concat([Buffer.from(label), seed]);
  const hmac = (data) => crypto.createHmac(hash, secret).update(data).digest();
  const out = [];
  for (let a = hmac(whole), have = 0; have < length; a = hmac(a)) {
    const block = hmac(Buffer.concat([a, whole]));
    out.push(block);
    have += block.length;
  }
  return Buffer.concat(out).subarray(0, length);
}

/** RFC 3711 section 4.3 with its AES counter mode; `salt` of 12 bytes (RFC 7714) or 14. */
function srtpDerive(master, salt, label, length) {
  const iv = Buffer.alloc(16);
  salt.copy(iv);
  iv[7] ^= label;
  return crypto.createCipheriv(`aes-${master.length * 8}-ctr`, master, iv).update(Buffer.alloc(length));
}

function rtpHeaderLength(packet) {
  let at = 12 + 4 * (packet[0] & 15);
  if (packet[0] & 16) at += 4 + 4 * packet.readUInt16BE(at + 2);
  return at;
}

/** One direction of SRTP with AES-GCM (RFC 7714). */
class SrtpOpener {
  constructor(master, salt) {
    this.bits = master.length * 8;
    this.key = srtpDerive(master, salt, 0, master.length);
    this.salt = srtpDerive(master, salt, 2, 12);
    this.streams = new Map();
  }

  /** {header fields, payload} or null. */
  open(packet) {
    const ssrc = packet.readUInt32BE(8);
    const seq = packet.readUInt16BE(2);
    const known = this.streams.get(ssrc) ?? { roc: 0, last: seq };
    let roc = known.roc;
    if (seq < known.last - 32768) roc++;
    else if (seq > known.last + 32768 && roc > 0) roc--;
    const iv = Buffer.alloc(12);
    iv.writeUInt32BE(ssrc, 2);
    iv.writeUInt32BE(roc, 6);
    iv.writeUInt16BE(seq, 10);
    for (let i = 0; i < 12; i++) iv[i] ^= this.salt[i];
    const start = rtpHeaderLength(packet);
    const opener = crypto.createDecipheriv(`aes-${this.bits}-gcm`, this.key, iv, { authTagLength: 16 });
    opener.setAAD(packet.subarray(0, start));
    opener.setAuthTag(packet.subarray(-16));
    let payload = opener.update(packet.subarray(start, -16));
    try {
      opener.final();
    } catch {
      return null;
    }
    if (roc >= known.roc) this.streams.set(ssrc, { roc, last: seq });
    if (packet[0] & 32) payload = payload.subarray(0, payload.length - payload.at(-1));
    return { ssrc, seq, index: roc * 65536 + seq, type: packet[1] & 127, marker: packet[1] >> 7, timestamp: packet.readUInt32BE(4), payload };
  }
}

/**
 * Everything that came to the server by UDP and left it, as the server has it after its own decryption: RTP packets
 * ({toServer, peer, ...}), and the application data of DTLS ({toServer, peer, data}).
 */
export function decryptMedia(all, serverPort, keylog) {
  const masters = new Map(keylog.split('\n').filter((line) => line.startsWith('CLIENT_RANDOM ')).map((line) => line.split(' ').slice(1)));
  const peers = new Map();
  const result = { rtp: [], data: [], encrypted: 0, failed: 0, handshakes: 0 };
  const finish = (peer) => {
    const master = masters.get(peer.clientRandom?.toString('hex'));
    if (!master || !peer.serverRandom || peer.srtp) return;
    const secret = Buffer.from(master, 'hex');
    const hash = peer.suite === 0xc02c || peer.suite === 0xc030 ? 'sha384' : 'sha256';
    const keyLength = { 8: 32, 7: 16 }[peer.profile];
    if (!keyLength) throw new Error(`SRTP profile ${peer.profile} is not read here`);
    const block = prf(hash, secret, 'EXTRACTOR-dtls_srtp', Buffer.concat([peer.clientRandom, peer.serverRandom]), 2 * (keyLength + 12));
    const at = (from, length) => block.subarray(from, from + length);
    peer.srtp = { true: new SrtpOpener(at(0, keyLength), at(2 * keyLength, 12)), false: new SrtpOpener(at(keyLength, keyLength), at(2 * keyLength + 12, 12)) };
    // RFC 5288 (explicit nonces of 8 bytes) and RFC 7905 (none)
    const chacha = peer.suite === 0xcca9 || peer.suite === 0xcca8;
    const size = chacha || hash === 'sha384' ? 32 : 16;
    const ivSize = chacha ? 12 : 4;
    const keys = prf(hash, secret, 'key expansion', Buffer.concat([peer.serverRandom, peer.clientRandom]), 2 * (size + ivSize));
    peer.chacha = chacha;
    peer.records = {
      true: { key: keys.subarray(0, size), salt: keys.subarray(2 * size, 2 * size + ivSize) },
      false: { key: keys.subarray(size, 2 * size), salt: keys.subarray(2 * size + ivSize) },
    };
    result.handshakes++;
  };
  const record = (peer, toServer, header, body) => {
    if (header[0] === 22 && header.readUInt16BE(3) === 0) {
      const type = body[0];
      const fragment = body.readUIntBE(6, 3);
      if (type === 1 && fragment === 0) {
        const random = Buffer.from(body.subarray(14, 46));
        if (!peer.clientRandom?.equals(random)) Object.assign(peer, { clientRandom: random, serverRandom: null, srtp: null });
      } else if (type === 2) {
        peer.serverRandom = Buffer.from(body.subarray(14, 46));
        let at = 46 + 1 + body[46];
        peer.suite = body.readUInt16BE(at);
        at += 5;
        while (at + 4 <= body.length) {
          const extension = body.readUInt16BE(at);
          if (extension === 14) peer.profile = body.readUInt16BE(at + 6);
          at += 4 + body.readUInt16BE(at + 2);
        }
        finish(peer);
      }
    } else if (header[0] === 23 && (peer.records ?? peer.same?.records)) {
      const { records, chacha } = peer.records ? peer : peer.same;
      const { key, salt } = records[toServer];
      const explicit = chacha ? 0 : 8;
      const nonce = chacha ? Buffer.from(salt) : Buffer.concat([salt, body.subarray(0, 8)]);
      if (chacha) for (let i = 0; i < 8; i++) nonce[4 + i] ^= header[3 + i];
      const opener = crypto.createDecipheriv(chacha ? 'chacha20-poly1305' : `aes-${key.length * 8}-gcm`, key, nonce, { authTagLength: 16 });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(body.length - 16 - explicit);
      opener.setAAD(Buffer.concat([header.subarray(3, 11), header.subarray(0, 3), length]));
      opener.setAuthTag(body.subarray(-16));
      const data = opener.update(body.subarray(explicit, -16));
      try {
        opener.final();
        result.data.push({ toServer, peer: peer.name, data });
      } catch {
        result.failed++;
      }
    }
  };
  for (const packet of all) {
    if (packet.protocol !== 'udp' || (packet.to !== serverPort && packet.from !== serverPort)) continue;
    const toServer = packet.to === serverPort;
    const name = toServer ? `${packet.source}:${packet.from}` : `${packet.target}:${packet.to}`;
    if (!peers.has(name)) peers.set(name, { name });
    const peer = peers.get(name);
    const { payload } = packet;
    if (payload[0] >= 20 && payload[0] <= 63) {
      for (let at = 0; at + 13 <= payload.length;) {
        const length = payload.readUInt16BE(at + 11);
        record(peer, toServer, payload.subarray(at, at + 13), payload.subarray(at + 13, at + 13 + length));
        at += 13 + length;
      }
    } else if (payload[0] >= 128 && payload[0] <= 191 && !(payload[1] >= 192 && payload[1] <= 223)) {
      result.encrypted++;
      // ICE may go on with another pair of addresses than the handshake's: the tag tells whose packet it is
      if (!peer.srtp) peer.same = peer.same ?? [...peers.values()].find((other) => other.srtp?.[toServer].open(payload));
      const opened = (peer.srtp ?? peer.same?.srtp)?.[toServer].open(payload);
      if (opened) result.rtp.push({ toServer, peer: name, time: packet.time, ...opened });
      else result.failed++;
    }
  }
  return result;
}

// ---- frames out of RTP ----

/** RFC 7741 section 4.2: the payload behind the descriptor. */
function vp8Payload(bytes) {
  let at = 1;
  if (bytes[0] & 0x80) {
    const flags = bytes[at++];
    if (flags & 0x80) at += bytes[at] & 0x80 ? 2 : 1;
    if (flags & 0x40) at++;
    if (flags & 0x30) at++;
  }
  return { first: (bytes[0] & 0x10) !== 0 && (bytes[0] & 7) === 0, bytes: bytes.subarray(at) };
}

/** The frames of one SSRC, in order: whole ones only. */
export function framesOf(codec, rtp) {
  const sorted = [...new Map(rtp.map((packet) => [packet.index, packet])).values()].sort((a, b) => a.index - b.index);
  if (codec === 'opus') return sorted.filter(({ payload }) => payload.length > 0).map(({ payload, timestamp }) => ({ timestamp, bytes: payload }));
  const frames = [];
  let parts = null;
  let next = -1;
  for (const packet of sorted) {
    if (packet.payload.length < 2) continue;
    const { first, bytes } = vp8Payload(packet.payload);
    if (first) parts = [];
    else if (packet.index !== next) parts = null;
    next = packet.index + 1;
    parts?.push(bytes);
    if (packet.marker && parts) {
      frames.push({ timestamp: packet.timestamp, bytes: Buffer.concat(parts) });
      parts = null;
    }
  }
  return frames;
}
