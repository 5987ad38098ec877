// Reliable data between unmodified SDKs: all of it arrives, as fast as it is taken.
import { chromium, newPage } from '../lib/browsers.mjs';
import { rtcNodeParticipant } from '../lib/rtcnode.mjs';
import { checkEqual, test, until } from '../lib/runner.mjs';
import { startServer } from '../lib/server.mjs';
import { serveFiles } from '../lib/static.mjs';

const MB = 1_000_000;

/** Byte i of the stream, in any browser or Node: what is lost, doubled or moved shows. */
const SUM = `(bytes, at, sum) => {
  for (let i = 0; i < bytes.length; i++) sum = (sum + bytes[i] * ((at + i) % 65521 + 1)) % 4294967291;
  return sum;
}`;

async function pageIn(t, browser, files, server, identity) {
  const page = await newPage(browser, `${files}/interop/pages/client.html`);
  const token = await server.token('files', identity, {});
  await page.evaluate(
    async (url, jwt, sumText) => {
      const sum = (0, eval)(sumText);
      window.sum = sum;
      window.got = { bytes: 0, sum: 0, whole: false };
      window.dataRoom = new LivekitClient.Room();
      window.dataRoom.registerByteStreamHandler('file', async (reader) => {
        for await (const chunk of reader) {
          window.got.sum = sum(chunk, window.got.bytes, window.got.sum);
          window.got.bytes += chunk.length;
        }
        window.got.whole = true;
      });
      await window.dataRoom.connect(url, jwt);
    },
    server.wsUrl,
    token,
    SUM,
  );
  return page;
}

/** Sends random bytes as one stream; answers their sum. */
const send = (page, bytes) =>
  page.evaluate(async (total) => {
    const writer = await window.dataRoom.localParticipant.streamBytes({ topic: 'file', name: 'file', totalSize: total });
    let sum = 0;
    for (let at = 0; at < total; ) {
      const chunk = crypto.getRandomValues(new Uint8Array(Math.min(60_000, total - at)));
      sum = window.sum(chunk, at, sum);
      await writer.write(chunk);
      at += chunk.length;
    }
    await writer.close();
    return sum;
  }, bytes);

async function gotAll(page, bytes, sum, timeoutMs) {
  await until(`all ${bytes} bytes`, () => page.evaluate(() => window.got.whole || window.dataRoom.state !== 'connected'), timeoutMs);
  checkEqual(await page.evaluate(() => window.got), { bytes, sum, whole: true });
}

test('a file of 100 MB arrives whole from one stock page at another', { timeoutMs: 420_000 }, async (t) => {
  const server = await startServer(t);
  const files = await serveFiles(t);
  const browser = await chromium(t);
  const ana = await pageIn(t, browser, files, server, 'ana');
  const ben = await pageIn(t, browser, files, server, 'ben');
  const sum = await send(ana, 100 * MB);
  await gotAll(ben, 100 * MB, sum, 120_000);
});

test('a file of half a megabyte arrives whole from one client of the Rust SDK at another', { timeoutMs: 60_000 }, async (t) => {
  const server = await startServer(t);
  const ana = await rtcNodeParticipant(t, server.wsUrl, await server.token('files', 'ana', {}), { watches: false });
  const ben = await rtcNodeParticipant(t, server.wsUrl, await server.token('files', 'ben', {}), { watches: false });
  const got = [];
  let whole = false;
  ben.room.registerByteStreamHandler('file', async (reader) => {
    for await (const chunk of reader) got.push(chunk);
    whole = true;
  });
  const sent = new Uint8Array(500_000).map((_, i) => (i * 7919) >> 3);
  const writer = await ana.room.localParticipant.streamBytes({ topic: 'file', name: 'file', totalSize: sent.length });
  for (let at = 0; at < sent.length; at += 15_000) await writer.write(sent.subarray(at, at + 15_000));
  await writer.close();
  await until('the file', () => whole, 30_000);
  checkEqual(Buffer.compare(Buffer.concat(got), Buffer.from(sent)), 0);
});
