// Receives one byte stream with @livekit/rtc-node, in a process of its own, so that it can be made to stand still: `receiver.mjs` with its
// URL and token as JSON in RECEIVER. It says what happens, a line of JSON each.
import crypto from 'node:crypto';
import { Room, RoomEvent } from '@livekit/rtc-node';

const { url, token } = JSON.parse(process.env.RECEIVER);
const say = (line) => console.log(JSON.stringify(line));
const room = new Room();
room.registerByteStreamHandler('file', async (reader) => {
  const hash = crypto.createHash('sha256');
  let bytes = 0;
  say({ began: true });
  for await (const chunk of reader) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  say({ bytes, sha256: hash.digest('hex') });
});
room.on(RoomEvent.Reconnecting, () => say({ reconnecting: true }));
room.on(RoomEvent.Disconnected, () => say({ disconnected: true }));
await room.connect(url, token, { autoSubscribe: false, dynacast: false });
say({ connected: true });
process.stdin.on('end', () => process.exit(0)).resume();
