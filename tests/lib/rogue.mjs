// Servers that do wrong: one stands before the real server and changes what it likes, one plays the delivery service alone.
import crypto from 'node:crypto';
import http from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { identityOf } from './link.mjs';
import { readMls, readWire, Reader, uint, vector, writeWire } from './wire.mjs';

const subjectOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
const meetingOf = (url) => url.split('?')[0].split('/').pop();

async function listen(t, onRequest, onSocket) {
  const server = http.createServer(onRequest);
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {});
    onSocket(socket, new URL(request.url, 'http://x').searchParams.get('access_token'), request.url);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.defer(() => {
    sockets.clients.forEach((client) => client.terminate());
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  return { url: `http://127.0.0.1:${port}`, pageUrl: `http://localhost:${port}`, wsUrl: `ws://127.0.0.1:${port}` };
}

/**
 * A relay before the real server, to be given to members in the server's place. `toClient(identity, message)` and
 * `toServer(identity, message)` may be set: they answer the messages to go on with instead (an array of what readWire
 * gives), or nothing to let it pass; so does `body(url, bytes)` for HTTP. Who is
 * in `keeps` does not hear that the server hung up. `raw(identity, bytes)` answers what a client gets instead on LiveKit's
 * WebSocket, whose messages are not read here; `media` has each client's, to send it more. `log` has everything that was delivered to a client.
 */
export async function rogueRelay(t, server, { rename = (path) => path } = {}) {
  const rogue = { toClient: null, toServer: null, body: null, raw: null, keeps: new Set(), clients: new Map(), media: new Map(), log: [], heard: [] };
  const handle = async (request, response) => {
    const body = [];
    for await (const chunk of request) body.push(chunk);
    const headers = { ...request.headers };
    for (const name of ['host', 'origin', 'referer']) delete headers[name];
    delete headers.connection;
    const reply = await fetch(server.url + rename(request.url), {
      method: request.method, headers, body: body.length > 0 ? Buffer.concat(body) : undefined,
    }).catch(() => null);
    if (!reply) return response.writeHead(502).end();
    response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'text/plain' });
    const bytes = Buffer.from(await reply.arrayBuffer());
    response.end(rogue.body?.(request.url, bytes) ?? bytes);
  };
  const pass = (out, bytes, hook, identity, log) => {
    const message = readWire(bytes);
    const instead = hook?.(identity, message);
    for (const one of instead ?? [message]) {
      log.push({ identity, message: one });
      if (out.readyState === WebSocket.OPEN) out.send(instead ? writeWire(one) : bytes);
    }
  };
  const connectMedia = (client, identity, url) => {
    const upstream = new WebSocket(server.wsUrl + url);
    rogue.media.set(identity, client);
    const waiting = [];
    const close = (other) => (code) => (code === 1005 || code === 1006 ? other.terminate() : other.close(code));
    upstream.on('error', () => client.terminate());
    upstream.on('open', () => waiting.splice(0).forEach((args) => upstream.send(...args)));
    upstream.on('message', (bytes, binary) => client.send(rogue.raw?.(identity, bytes) ?? bytes, { binary }));
    client.on('message', (bytes, binary) => (upstream.readyState === WebSocket.OPEN ? upstream.send(bytes, { binary }) : waiting.push([bytes, { binary }])));
    upstream.on('close', close(client));
    client.on('close', close(upstream));
  };
  const connect = (client, token, url) => {
    if (!url.startsWith('/mls/')) return connectMedia(client, subjectOf(token), url);
    let identity = ''; // until its hello
    const upstream = new WebSocket(server.wsUrl + url);
    upstream.on('error', () => client.terminate());
    upstream.on('message', (bytes) => pass(client, bytes, rogue.toClient, identity, rogue.log));
    upstream.on('close', (code) => rogue.keeps.has(identity) || (code >= 4000 || code === 1000 || code === 1001 ? client.close(code) : client.terminate()));
    client.on('message', (bytes) => {
      const message = readWire(bytes); // the server speaks first, so that its side is open
      if (message.type === 'hello') {
        identity = identityOf(meetingOf(url), message.seat_key);
        rogue.clients.set(identity, client);
      }
      pass(upstream, bytes, rogue.toServer, identity, rogue.heard);
    });
    client.on('close', (code) => (code >= 1000 && code !== 1005 && code !== 1006 ? upstream.close(code) : upstream.terminate()));
  };
  /** A message of the rogue's own making, or again. */
  rogue.send = (identity, message) => {
    rogue.log.push({ identity, message });
    rogue.clients.get(identity).send(writeWire(message));
  };
  rogue.delivered = (identity, type) => rogue.log.filter((one) => one.identity === identity && one.message.type === type).map((one) => one.message);
  rogue.heardOf = (identity, type) => rogue.heard.filter((one) => one.identity === identity && one.message.type === type).map((one) => one.message);
  return Object.assign(rogue, await listen(t, (request, response) => void handle(request, response), connect));
}

/**
 * A delivery service that is wholly in the test's hands, with an external sender of its own, whose key it has. It does
 * nothing by itself but to challenge and to answer hello with `state`, enter in turn; the rest are calls of the test.
 */
export async function rogueService(t, suite) {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const credential = Buffer.concat([uint(1, 2), vector(Buffer.from('conclave'))]);
  const rogue = { clients: new Map(), heard: [], trees: new Map(), seq: 0, sender: Buffer.concat([vector(raw), credential]) };
  const answer = (request, response) => {
    const tree = rogue.trees.get(request.url.split('/').pop());
    if (tree) response.writeHead(200).end(tree);
    else response.writeHead(404).end();
  };
  const connect = (client, token, url) => {
    let identity = '';
    client.send(writeWire({ type: 'challenge', nonce: crypto.randomBytes(32), unix_s: Math.floor(Date.now() / 1000) }));
    client.on('message', (bytes) => {
      const message = readWire(bytes);
      if (message.type === 'hello') {
        identity = identityOf(meetingOf(url), message.seat_key);
        rogue.clients.set(identity, client);
        client.send(writeWire({ type: 'state', suite, standing: 2, token: Buffer.from('x'), file_len_max: 1, ...rogue.state }));
      }
      rogue.heard.push({ identity, message });
    });
  };
  rogue.send = (identity, message) => rogue.clients.get(identity).send(writeWire(message));
  rogue.heardOf = (identity, type) => rogue.heard.filter((one) => one.identity === identity && one.message.type === type).map((one) => one.message);
  /** The tree, under a name that goes for its hash. */
  rogue.publish = (tree) => {
    const hash = crypto.createHash('sha256').update(tree).digest();
    rogue.trees.set(hash.toString('hex'), tree);
    return hash;
  };
  /** A message of a kind signed as the group's external sender (RFC 9420 sections 6.1 and 6.2). */
  rogue.sign = (groupInfo, epoch, contentType, content) => {
    const { group } = readMls(groupInfo);
    const framed = Buffer.concat([vector(group), uint(epoch, 8), Buffer.from([2]), uint(0, 4), vector(Buffer.alloc(0)), Buffer.from([contentType]), content]);
    const tbs = Buffer.concat([uint(1, 2), uint(1, 2), framed]);
    const signed = Buffer.concat([vector(Buffer.from('MLS 1.0 FramedContentTBS')), vector(tbs)]);
    const tag = contentType === 3 ? vector(Buffer.alloc(32)) : Buffer.alloc(0); // of a commit: confirmation_tag
    return Buffer.concat([uint(1, 2), uint(1, 2), framed, vector(crypto.sign(null, signed, privateKey)), tag]);
  };
  return Object.assign(rogue, await listen(t, answer, connect));
}

export const add = (keyPackage) => Buffer.concat([uint(1, 2), new Reader(keyPackage).bytes.subarray(4)]);
export const remove = (leaf) => Buffer.concat([uint(3, 2), uint(leaf, 4)]);
