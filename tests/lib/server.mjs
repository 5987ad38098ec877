// Starts the real server on free ports with a fresh data folder, and ends it by its own process id.
import { spawn, execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AccessToken, RoomServiceClient } from 'livekit-server-sdk';
import { makeMeeting } from './link.mjs';
import { sleep, until } from './runner.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.CONCLAVE_BIN ?? path.join(root, 'build/src/server/conclave');
export const apiKey = 'testkey';
export const apiSecret = 'a-secret-of-more-than-thirty-two-characters';

/** Can both kinds of socket be bound to this port on every address? */
async function portIsFree(port) {
  const tcp = net.createServer();
  const udp = dgram.createSocket('udp6');
  try {
    await new Promise((resolve, reject) => tcp.once('error', reject).listen(port, '::', resolve));
    await new Promise((resolve, reject) => udp.once('error', reject).bind(port, '::', resolve));
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => tcp.close(resolve));
    await new Promise((resolve) => {
      try {
        udp.close(resolve);
      } catch {
        resolve();
      }
    });
  }
}

/** A free port below the range from which the kernel takes ports for outgoing connections, which could be gone by then. */
async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (await portIsFree(port)) return port;
  }
}

function configText(ports, dataDir, extra) {
  return `port: ${ports.http}
bind_addresses: ["127.0.0.1"]
data_dir: ${dataDir}
tls:
  port: ${ports.https}
keys:
  ${apiKey}: ${apiSecret}
rtc:
  udp_port: ${ports.udp}
  tcp_port: ${ports.tcp}
  include_loopback: true
prometheus:
  port: ${ports.metrics}
${extra ?? ''}`;
}

/** CPU seconds (user and system) that the process has used. */
export function cpuSeconds(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  const ticks = Number(execFileSync('getconf', ['CLK_TCK']).toString());
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

export function rssBytes(pid) {
  const match = fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/);
  return Number(match[1]) * 1024;
}

export class Server {
  constructor(ports, dir) {
    this.ports = ports;
    this.dir = dir;
    this.url = `http://127.0.0.1:${ports.http}`;
    // the name that browsers treat as a secure context and people type
    this.pageUrl = `http://localhost:${ports.http}`;
    this.wsUrl = `ws://127.0.0.1:${ports.http}`;
    this.output = '';
    this.exit = null;
    this.args = [];
  }

  async start() {
    const args = ['serve', '--config', path.join(this.dir, 'conclave.yaml'), ...this.args];
    this.exit = null;
    const [command, ...before] = [...(this.through ?? []), binary];
    this.process = spawn(command, [...before, ...args], { stdio: ['ignore', 'pipe', this.log ?? 'pipe'], env: { ...process.env, ...this.env } });
    const ended = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve({ code, signal })));
    this.ended = ended.then((result) => (this.exit = result));
    for (const stream of [this.process.stdout, this.process.stderr].filter(Boolean)) {
      stream.on('data', (chunk) => (this.output = (this.output + chunk).slice(-200_000)));
    }
    await until('the server to answer', async () => {
      if (this.exit) throw new Error(`the server ended: ${JSON.stringify(this.exit)}\n${this.output}`);
      const reply = await fetch(this.url + '/');
      return reply.status === 200;
    });
    return this;
  }

  get pid() {
    return this.process.pid;
  }

  alive() {
    return this.exit === null;
  }

  /** SIGTERM and a wait; answers how the process ended. */
  async stop(signal = 'SIGTERM') {
    if (this.exit === null) {
      this.process.kill(signal);
      const late = sleep(8000).then(() => null);
      if ((await Promise.race([this.ended, late])) === null) {
        this.process.kill('SIGKILL');
        await this.ended;
        throw new Error(`the server did not end on ${signal}\n${this.output.slice(-2000)}`);
      }
    }
    return this.exit;
  }

  async token(room, identity, grant = {}, options = {}) {
    const token = new AccessToken(apiKey, apiSecret, { identity, name: options.name ?? identity, ttl: options.ttl ?? '10m', ...options });
    token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true, ...grant });
    return token.toJwt();
  }

  api() {
    return new RoomServiceClient(this.url, apiKey, apiSecret);
  }

  async metrics() {
    const text = await (await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`)).text();
    const values = {};
    for (const match of text.matchAll(/^([a-z_0-9]+)(?:\{[^}]*\})? ([0-9.e+]+)$/gm)) {
      values[match[1]] = (values[match[1]] ?? 0) + Number(match[2]);
    }
    return values;
  }

  /** A new meeting as its maker's page makes it, see link.mjs. */
  newMeeting(options) {
    return makeMeeting(this.url, options);
  }
}

/**
 * `log`: a descriptor for standard error. `through`: a command that ends in an `exec` of what follows it, the data folder first.
 * `t` is the test's context: the server is stopped, and must still be running, when the test ends, unless it `mayEnd`. */
export async function startServer(t, { extraConfig, env = {}, mayEnd = false, args = [], log, through = [] } = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-test-'));
  const ports = {
    http: await freePort(),
    https: await freePort(),
    udp: await freePort(),
    tcp: await freePort(),
    metrics: await freePort(),
  };
  fs.writeFileSync(path.join(dir, 'conclave.yaml'), configText(ports, path.join(dir, 'data'), extraConfig));
  const server = new Server(ports, dir);
  server.env = env;
  server.args = args;
  server.log = log;
  server.through = through.length > 0 ? [...through, path.join(dir, 'data')] : [];
  t.defer(async (failure) => {
    const crashed = !mayEnd && server.exit !== null && server.exit.code !== 0;
    if (failure || crashed) console.log(server.output.slice(-3000).replace(/^/gm, '    server: '));
    await server.stop();
    fs.rmSync(dir, { recursive: true, force: true });
    if (crashed) throw new Error(`the server crashed: ${JSON.stringify(server.exit)}`);
  });
  await server.start();
  return server;
}
