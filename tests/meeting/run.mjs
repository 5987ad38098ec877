// Meetings whose members are native, against the real server: the delivery service over WebSocket and HTTP, and the gate
// between the group and the media.
import { run } from '../lib/runner.mjs';

await import('./group.mjs');
await import('./gate.mjs');
await import('./media.mjs');
await import('./files.mjs');
await run('meeting');
