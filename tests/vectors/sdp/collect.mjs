// Collects session descriptions from browsers: node collect.mjs <chromium|firefox> <folder>
// Serves page.html on loopback, starts the browser without a window and a fresh profile, and writes what the page posts.
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [browser, folder] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'sdp-'));
const page = readFileSync(new URL('page.html', import.meta.url));
const commands = {
    chromium: (url) => ['chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
        `--user-data-dir=${profile}`, url]],
    firefox: (url) => ['firefox-esr', ['--headless', '--no-remote', '--profile', profile, url]],
};
writeFileSync(join(profile, 'user.js'), [
    ['media.navigator.streams.fake', true], ['media.navigator.permission.disabled', true],
    ['media.peerconnection.ice.loopback', true], ['browser.shell.checkDefaultBrowser', false],
    ['datareporting.policy.dataSubmissionEnabled', false], ['app.update.enabled', false],
    ['network.captive-portal-service.enabled', false], ['network.connectivity-service.enabled', false],
    ['browser.safebrowsing.malware.enabled', false], ['browser.safebrowsing.phishing.enabled', false],
    ['extensions.update.enabled', false], ['toolkit.telemetry.enabled', false], ['media.gmp-manager.url', ''],
    ['services.settings.server', ''], ['browser.aboutwelcome.enabled', false],
].map(([k, v]) => `user_pref(${JSON.stringify(k)}, ${JSON.stringify(v)});`).join('\n'));

const server = createServer((request, response) => {
    if (request.method !== 'POST')
        return response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
        const { agent, named } = JSON.parse(body);
        console.log(agent);
        for (const [name, sdp] of named) {
            console.log(name, sdp.length, sdp.startsWith('error') ? sdp : '');
            if (!sdp.startsWith('error') && name !== 'many')
                writeFileSync(join(folder, `${browser}-${name}.sdp`), sdp);
        }
        response.end();
        finish();
    });
}).listen(0, '127.0.0.1', () => {
    const [command, args] = commands[browser](`http://127.0.0.1:${server.address().port}/`);
    child = spawn(command, args, { stdio: 'ignore', detached: true });
});
let child;
const timer = setTimeout(finish, 60000);
function finish() {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
    try {
        process.kill(-child.pid, 'SIGKILL'); // the browser's own process group
    } catch {}
    setTimeout(() => { rmSync(profile, { recursive: true, force: true }); process.exit(); }, 500);
}
