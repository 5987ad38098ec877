// A native person of a meeting against the real server: build/tools/member-peer thinks, this owns its WebSocket and fetches.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { identityOf, publicOf } from './link.mjs';
import { binary } from './server.mjs';
import { until } from './runner.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const peer = process.env.CONCLAVE_BIN ? path.resolve(path.dirname(binary), '../../tools/member-peer') : path.join(root, 'build/tools/member-peer');

const hex = (bytes) => Buffer.from(bytes).toString('hex');

export class Member {
  /**
   * `meeting` is of Server.newMeeting, or what somebody thinks that it is. `host`: has the host link. `seat`: a seed that was used
   * before.
   */
  constructor(server, meeting, name, { host = false, seat = crypto.randomBytes(32), exports = false, clockOff = 0 } = {}) {
    Object.assign(this, { server, meeting, name, host, seat, exports, clockOff });
    this.identity = identityOf(meeting.id, publicOf(seat));
    this.events = [];
    this.state = 'connecting';
    this.token = null;
    this.ended = null;
    this.closes = [];
    this.asked = new Map();
  }

  start() {
    this.process = spawn(peer, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdin.on('error', () => {});
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => this.take(JSON.parse(line)));
    const { id, secret, operator, owner, kind, suite, ownerSeed } = this.meeting;
    this.tell({
      meeting: id, secret: hex(secret), operator: hex(operator), owner: hex(owner), kind, suite, name: this.name, seat_seed: hex(this.seat),
      clock_off_s: this.clockOff, export: this.exports, ...(this.host && { owner_seed: hex(ownerSeed) }),
    });
    this.connect();
    return this;
  }

  tell(line) {
    if (this.process.exitCode === null) this.process.stdin.write(JSON.stringify(line) + '\n');
  }

  connect() {
    const socket = new WebSocket(`${this.server.wsUrl}/mls/v2/${this.meeting.id}`);
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
    const reply = await fetch(`${this.server.url}/api/v2/meetings/${this.meeting.id}/${where.replace(/^\//, '')}`, {
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
    else if (event.type === 'token') this.token = event.text;
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

/** `t` is the test's context; `how` as for Member. */
export async function enter(t, server, meeting, name, how) {
  const member = new Member(server, meeting, name, how);
  t.defer(() => member.stop());
  return member.start().in();
}
