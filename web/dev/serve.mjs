// A static server for looking at the client during development: node dev/serve.mjs [port] [folder].
//
// It serves the built files with the policy the real server sends and the same single-page fallback. It answers no
// API call: everything under /api and /rtc is 404, so a page that needs the server says so, as it should.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(process.argv[3] ?? path.join(path.dirname(fileURLToPath(import.meta.url)), '../dist'));
const port = Number(process.argv[2] ?? 8090);
export const POLICY = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob: mediastream:",
    "connect-src 'self'",
    "worker-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
].join('; ');
const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
    '.txt': 'text/plain; charset=utf-8',
};

createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const headers = {
        'Content-Security-Policy': POLICY,
        'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'no-referrer',
        'Cache-Control': 'no-store',
    };
    let file = path.join(root, path.normalize(url.pathname));
    if (url.pathname === '/' || url.pathname.startsWith('/m/')) file = path.join(root, 'index.html');
    if (!file.startsWith(root) || !existsSync(file) || !statSync(file).isFile()) {
        response.writeHead(404, { ...headers, 'Content-Type': 'application/json' });
        response.end('{"error":"not_found","message":"This development server has no API."}\n');
        return;
    }
    response.writeHead(200, { ...headers, 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
}).listen(port, '127.0.0.1', () => console.log(`serving ${root} on http://localhost:${port}`));
