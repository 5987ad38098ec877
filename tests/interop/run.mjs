// Unmodified LiveKit SDKs and foreign WebRTC stacks against the real server.
import './sdk.mjs';
import './reconnect.mjs';
import './data.mjs';
import './broadcast.mjs';
import './api.mjs';
import './whip.mjs';
import './webhook.mjs';
import { run } from '../lib/runner.mjs';

await run('interop');
