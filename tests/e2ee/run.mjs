// The end-to-end library against an independent implementation of MLS (ts-mls), natively and in WebAssembly, by the official vectors
// in WebAssembly, and in browsers.
import './curves.mjs';
import './suites.mjs';
import './walk.mjs';
import './vectors.mjs';
import './browsers.mjs';
import { run } from '../lib/runner.mjs';

await run('e2ee');
