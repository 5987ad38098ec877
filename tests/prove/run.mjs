// Proofs of the end-to-end encryption of meetings, against the real server. `make prove` runs them with the long sizes and
// prints the table of claims.
import { run } from '../lib/runner.mjs';

await import('./claims.mjs');
await import('./frames.mjs');
await import('./malicious.mjs');
await import('./media.mjs');
await import('./witness.mjs');
await import('./network.mjs');
await run('prove');
