// Proof 5's meeting, run by network.mjs in a network of its own, in which every packet that anybody sends is seen and none
// gets out. Writes what it saw to the folder that is its argument.
import fs from 'node:fs';
import path from 'node:path';
import { chromium, firefox, newPage } from '../lib/browsers.mjs';
import { packets, startCapture } from '../lib/capture.mjs';
import { Person } from '../lib/meeting.mjs';
import { sleep, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';

const dir = process.argv[2];
const undo = [];
const t = { defer: (one) => undo.push(one) };
const file = (name) => path.join(dir, name);

const HERE = ['127.0.0.1', '198.51.100.1', '00000000000000000000000000000001'];

/** The questions of a DNS packet, as names. */
function dnsNames(payload) {
  const labels = [];
  for (let at = 12; payload[at] > 0 && at < payload.length; at += payload[at] + 1) labels.push(payload.toString('latin1', at + 1, at + 1 + payload[at]));
  return labels.join('.');
}

/** To whom packets went that are neither the server's nor the test's own, and how many; of DNS the names that were asked for. */
function others(capture, ours) {
  const list = new Map();
  let own = 0;
  let stun = 0;
  for (const packet of packets(capture)) {
    if (packet.protocol === 'udp' && packet.payload.length >= 20 && packet.payload.readUInt32BE(4) === 0x2112a442) stun++;
    // ICMP of the machine to itself: a port that was closed meanwhile
    const toItself = packet.protocol === 'other' && HERE.includes(packet.target);
    if (ours.has(packet.to) || ours.has(packet.from) || toItself) {
      own++;
      continue;
    }
    const isDns = packet.to === 53 || packet.to === 5353;
    const what = isDns ? `dns ${dnsNames(packet.payload)}` : packet.protocol === 'other' ? `protocol ${packet.number ?? packet.kind} to ${packet.target}` : `${packet.protocol} ${packet.target}:${packet.to}`;
    list.set(what, (list.get(what) ?? 0) + 1);
  }
  return { own, stun, others: Object.fromEntries(list) };
}

async function stay(name, launch) {
  const server = await startServer(t);
  const ours = new Set([server.ports.http, server.ports.udp, server.ports.tcp, server.ports.https]);
  const { path: link } = await server.newMeeting();
  const capture = await startCapture(t, file(`${name}.pcap`), { markerPort: server.ports.udp });
  const browser = await launch();
  // by which the test steers the browser
  ours.add(Number(new URL(browser.wsEndpoint()).port));
  const urls = [];
  const page = await newPage(browser);
  page.on('request', (request) => urls.push(request.url()));
  await page.goto(server.pageUrl, { waitUntil: 'load' });
  await sleep(500);
  await page.goto('about:blank');
  await page.goto(server.pageUrl + link, { waitUntil: 'domcontentloaded' });
  const person = new Person(page, 'Ann');
  await person.join();
  const other = await browser.createBrowserContext();
  const second = new Person(await newPage(other, server.pageUrl + link), 'Bob');
  second.page.on('request', (request) => urls.push(request.url()));
  await second.join();
  const { identity } = await second.tileOf('Ann');
  await until('pictures of Ann', () => second.page.$eval(`[data-testid="tile"][data-identity="${identity}"] video`, (video) => video.getVideoPlaybackQuality().totalVideoFrames > 20 || video.currentTime > 2), 30_000);
  await second.page.click('[data-testid="leave"]').catch(() => second.page.close());
  await page.bringToFront();
  await person.click('leave').catch(() => {});
  await sleep(1000);
  const result = { urls: [...new Set(urls.map((url) => (/^(data|blob|about):/.test(url) ? url.split(':')[0] : new URL(url).origin)))], server: [server.pageUrl, server.wsUrl.replace('127.0.0.1', 'localhost')] };
  await browser.close();
  await capture.stop();
  return { ...result, ...others(file(`${name}.pcap`), ours) };
}

/** That what goes elsewhere would be seen: by the same browser, of a page that asks another host. */
async function astray() {
  const server = await startServer(t);
  const ours = new Set([server.ports.http, server.ports.udp]);
  const capture = await startCapture(t, file('control.pcap'), { markerPort: server.ports.udp });
  const browser = await chromium(t);
  ours.add(Number(new URL(browser.wsEndpoint()).port));
  const page = await newPage(browser);
  await page.goto('http://203.0.113.7/', { timeout: 2000 }).catch(() => {});
  await page.goto('http://elsewhere.example/', { timeout: 2000 }).catch(() => {});
  await browser.close();
  await capture.stop();
  return others(file('control.pcap'), ours);
}

let status = 0;
try {
  const result = {
    chromium: await stay('chromium', () => chromium(t, { args: ['--allow-loopback-in-peer-connection', '--disable-features=OptimizationHints,AutofillServerCommunication', `--log-net-log=${file('chromium-netlog.json')}`] })),
    firefox: await stay('firefox', () => firefox(t)),
    control: await astray(),
  };
  fs.writeFileSync(file('result.json'), JSON.stringify(result, null, 1));
} catch (error) {
  console.error(error.stack);
  status = 1;
}
for (const one of undo.reverse()) await Promise.resolve(one()).catch(() => {});
process.exit(status);
