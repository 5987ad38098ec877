// Serves the pages of the interoperability tests, and livekit-client from node_modules, on a loopback port.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const tests = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** `root`: another folder than tests/. */
export async function serveFiles(t, root = tests) {
  const server = http.createServer((request, response) => {
    const wanted = path.normalize(path.join(root, decodeURIComponent(new URL(request.url, 'http://x').pathname)));
    if (!wanted.startsWith(root + path.sep) || !fs.existsSync(wanted) || !fs.statSync(wanted).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': types[path.extname(wanted)] ?? 'application/octet-stream' });
    fs.createReadStream(wanted).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
