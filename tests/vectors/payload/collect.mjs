// Collects RTP payload descriptors as Chromium sends them: node collect.mjs <video/VP9> <L3T3_KEY|simulcast|simulcast-plain> <output file>
// libwebrtc writes every packet, before SRTP, to its log when the field trial below is on. Of each packet sent on a media
// payload type one line is kept: ssrc, sequence number, timestamp, marker, dependency descriptor, length of the payload and
// its first bytes. Numbers are decimal, bytes hexadecimal, "-" is none.
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [mime, mode, output] = process.argv.slice(2);
const PACKETS_MAX = 260;
// H.264 aggregates show their parameter sets
const KEPT_BYTES = mime === 'video/H264' ? 48 : 20;
const folder = mkdtempSync(join(tmpdir(), 'rtp-'));
const log = join(folder, 'log');
let child;

const server = createServer((request, response) => {
    if (request.method !== 'POST')
        return response.writeHead(200, { 'content-type': 'text/html' }).end(readFileSync(new URL('page.html', import.meta.url)));
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
        response.end();
        console.log(body);
        stop(JSON.parse(body));
    });
}).listen(0, '127.0.0.1', () => {
    const url = `http://127.0.0.1:${server.address().port}/?mime=${encodeURIComponent(mime)}&mode=${mode}`;
    child = spawn('chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
        '--enable-logging=stderr', '--vmodule=*/webrtc/*=3', '--force-fieldtrials=WebRTC-Debugging-RtpDump/Enabled/',
        `--user-data-dir=${join(folder, 'profile')}`, url], { detached: true, stdio: ['ignore', 'ignore', openSync(log, 'w')] });
});
const timer = setTimeout(() => stop(), 40000);

function line(bytes, { pts, ddId }) {
    const pt = bytes[1] & 0x7f;
    if (!pts.includes(pt))
        return undefined;
    let at = 12 + 4 * (bytes[0] & 15), dd = '-', end = bytes.length;
    if (bytes[0] & 0x10) {
        const twoByte = bytes.readUInt16BE(at) === 0x1000, last = at + 4 + 4 * bytes.readUInt16BE(at + 2);
        for (at += 4; at < last;) {
            if (bytes[at] === 0) {
                at++;
                continue;
            }
            const id = twoByte ? bytes[at] : bytes[at] >> 4, len = twoByte ? bytes[at + 1] : (bytes[at] & 15) + 1;
            at += twoByte ? 2 : 1;
            if (id === ddId)
                dd = bytes.subarray(at, at + len).toString('hex');
            at += len;
        }
        at = last;
    }
    if (bytes[0] & 0x20)
        end -= bytes[end - 1];
    return [bytes.readUInt32BE(8), bytes.readUInt16BE(2), bytes.readUInt32BE(4), bytes[1] >> 7, dd, end - at,
        bytes.subarray(at, Math.min(end, at + KEPT_BYTES)).toString('hex') || '-'].join(' ');
}

function stop(facts) {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
    try {
        process.kill(-child.pid, 'SIGKILL'); // the browser's own process group
    } catch {}
    if (facts) {
        const packets = readFileSync(log, 'latin1').split('\n').map((l) => /O \d\d:\d\d:\d\d\.\d+ 0000 ([0-9a-f ]+)# RTP_DUMP/.exec(l))
            .filter(Boolean).map((m) => line(Buffer.from(m[1].replaceAll(' ', ''), 'hex'), facts)).filter(Boolean);
        console.log(packets.length);
        writeFileSync(output, packets.slice(0, PACKETS_MAX).join('\n') + '\n');
    }
    setTimeout(() => { rmSync(folder, { recursive: true, force: true }); process.exit(); }, 500);
}
