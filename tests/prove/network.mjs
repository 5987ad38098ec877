// Proof 5: from landing to leaving a browser talks to the server and to nobody else. In a network namespace whose only way
// out is the loopback device, so that every packet that the browser sends to anybody is in the capture (needs root).
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, checkEqual, test } from '../lib/runner.mjs';
import { evidence } from './evidence.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const SETUP = 'ip link set lo up && ip addr add 198.51.100.1/32 dev lo && ip route add default dev lo src 198.51.100.1 && exec "$@"';

/** What browsers ask by themselves, with any page or none; all of it unanswered here. */
const OF_BROWSERS = {
  'dns clients2.google.com': 'updates of extensions',
  'dns update.googleapis.com': 'updates of components',
  'dns optimizationguide-pa.googleapis.com': 'hints for loading pages',
  'dns content-autofill.googleapis.com': 'what to fill into text fields',
  'dns firefox.settings.services.mozilla.com': 'Firefox’s remote settings',
  'protocol 2 to 224.0.0.22': 'IGMP: Firefox listens for names of the local network',
};

let seen;
function observed() {
  seen ??= (async () => {
    const kept = evidence('5-whom-it-talks-to');
    const log = fs.openSync(kept.file('log.txt'), 'w');
    const child = spawn('unshare', ['-n', 'sh', '-c', SETUP, 'sh', process.execPath, path.join(here, 'isolated.mjs'), kept.dir], { stdio: ['ignore', log, log] });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`the meeting in its own network ended with ${code}: ${fs.readFileSync(kept.file('log.txt'), 'utf8').slice(-1000)}`);
    return JSON.parse(fs.readFileSync(kept.file('result.json'), 'utf8'));
  })();
  return seen;
}

for (const name of ['chromium', 'firefox']) {
  test(`5 ${name}: from landing to leaving the pages talk to the server alone`, { timeoutMs: 300_000 }, async () => {
    const result = await observed();
    const { own, stun, others, urls, server } = result[name];
    check(own > 200 && stun > 0, `packets: ${own}, of STUN ${stun}`);
    checkEqual(Object.keys(others).filter((one) => !(one in OF_BROWSERS)), [], 'packets to others');
    checkEqual(urls.filter((url) => !server.includes(url) && !['data', 'blob', 'about'].includes(url)), [], 'loaded from elsewhere');
  });
}

test('5 and what goes elsewhere would be seen', { timeoutMs: 300_000 }, async () => {
  const { control } = await observed();
  const list = Object.keys(control.others);
  check(list.some((one) => one === 'tcp 203.0.113.7:80'), `the connection to another host is not among ${list}`);
  check(list.some((one) => one === 'dns elsewhere.example'), `the DNS question is not among ${list}`);
});
