// A native person of a meeting against the real server: build/tools/member-peer thinks, this owns its WebSocket and fetches.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { binary } from './server.mjs';
import { until } from './runner.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const peer = process.env.CONCLAVE_BIN ? path.resolve(path.dirname(binary), '../../tools/member-peer') : path.join(root, 'build/tools/member-peer');

export const linkSecret = () => crypto.randomBytes(32).toString('hex');

/** The secret that is in the link of Server.newMeeting. */
export const secretOf = ({ path: link }) => Buffer.from(new URLSearchParams(link.split('#')[1]).get('k'), 'base64url').toString('hex');

/** A token and identity for a meeting, as its page gets them. */
export async function joinMeeting(server, id, body = '{}') {
  const reply = await fetch(`${server.url}/api/v1/meetings/${id}/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  if (reply.status !== 200) throw new Error(`no join: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

export class Member {
  constructor(server, meeting, secret, name, { token, identity, exports = false }) {
    Object.assign(this, { server, meeting, secret, name, token, identity, exports });
    this.events = [];
    this.state = 'connecting';
    this.ended = null;
    this.closes = [];
    this.asked = new Map();
  }

  start() {
    this.process = spawn(peer, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdin.on('error', () => {});
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => this.take(JSON.parse(line)));
    this.tell({ meeting: this.meeting.id, identity: this.identity, secret: this.secret, name: this.name, suite: this.meeting.suite, export: this.exports });
    this.connect();
    return this;
  }

  tell(line) {
    if (this.process.exitCode === null) this.process.stdin.write(JSON.stringify(line) + '\n');
  }

  connect() {
    const socket = new WebSocket(`${this.server.wsUrl}/mls/v1?access_token=${this.token}`);
    this.socket = socket;
    let opened = false;
    socket.on('open', () => {
      opened = true;
      this.tell({ op: 'connected' });
    });
    socket.on('message', (data) => this.tell({ op: 'message', hex: data.toString('hex') }));
    socket.on('error', () => {});
    socket.on('close', (code) => {
      if (opened) {
        this.closes.push(code);
        this.tell({ op: 'lost', code });
      } else if (!this.stopped) {
        // the member does not hear of attempts that fail: trying again is up to whoever connects
        setTimeout(() => this.stopped || this.connect(), 500);
      }
    });
  }

  async fetchFor(ticket, where) {
    const reply = await fetch(`${this.server.url}/api/v1/meetings/${this.meeting.id}/${where.replace(/^\//, '')}`, {
      headers: { authorization: `Bearer ${this.token}` },
    }).catch(() => null);
    const body = reply?.status === 200 ? Buffer.from(await reply.arrayBuffer()).toString('hex') : '';
    this.tell({ op: 'fetched', ticket, hex: body });
  }

  take(event) {
    event.at_ms = performance.now();
    if (event.type === 'send') {
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(Buffer.from(event.hex, 'hex'));
      return;
    }
    if (event.type === 'fetch') void this.fetchFor(event.ticket, event.text);
    else if (event.type === 'connect') setTimeout(() => this.stopped || this.connect(), event.delay_ms);
    else if (event.type === 'state') this.state = event.state;
    else if (event.type === 'ended') this.ended = event;
    this.events.push(event);
    this.asked.get(event.type)?.shift()?.(event);
  }

  /** Asks the member something that it answers with a line of this type. */
  ask(line, type) {
    return new Promise((resolve) => {
      if (!this.asked.has(type)) this.asked.set(type, []);
      this.asked.get(type).push(resolve);
      this.tell(line);
    });
  }

  async do(op, fields = {}) {
    return (await this.ask({ op, ...fields }, 'result')).status;
  }

  people() {
    return this.ask({ op: 'people' }, 'people');
  }

  code() {
    return this.ask({ op: 'code' }, 'code');
  }

  of(type) {
    return this.events.filter((event) => event.type === type);
  }

  async in() {
    await until(`${this.name} to be in`, () => this.state === 'in' || this.ended);
    if (this.ended) throw new Error(`ended: ${JSON.stringify(this.ended)}`);
    return this;
  }

  /** The connection breaks, as when a network goes. */
  cut() {
    this.socket.terminate();
  }

  /** Gone without a word: process and connection. */
  crash() {
    this.stopped = true;
    this.process.kill('SIGKILL');
    this.socket.terminate();
  }

  stop() {
    this.stopped = true;
    this.process.kill();
    this.socket.terminate();
  }
}

/** `t` is the test's context. `place`: the answer of a join, for who comes again. */
export async function enter(t, server, meeting, secret, name, place) {
  const member = new Member(server, meeting, secret, name, place ?? (await joinMeeting(server, meeting.id)));
  t.defer(() => member.stop());
  return member.start().in();
}
