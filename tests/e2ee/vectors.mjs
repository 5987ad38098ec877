// The official vectors of tests/vectors in WebAssembly: the checks are those of tools/mls_vectors*.c, tools/sframe_vectors_entry.c and
// tests/unit/crypto, compiled into a module with the library; files are walked and parsed here.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, test } from '../lib/runner.mjs';
import { hostScript, library, vectorsPath } from './library.mjs';

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../vectors');
const PASSED = 0;
const SKIPPED = 2;
const FAILURES_SHOWN = 10;

/** Integers become BigInt: they go up to 2^64 - 1, which JSON.parse would round. */
function parse(text) {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+/g, (token) => (token[0] === '"' ? `"s${token.slice(1)}` : `"n${token}"`));
  const members = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name.slice(1), value]));
  return JSON.parse(marked, (_, value) => {
    if (typeof value === 'string') return value[0] === 'n' ? BigInt(value.slice(1)) : value.slice(1);
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? members(value) : value;
  });
}

/** What tools/wasm/jansson.h imports. Values are numbers while an entry is checked; 0 is none. */
class Json {
  #values = [undefined];
  #copies = [];

  constructor(exports) {
    this.exports = exports;
  }

  give(value) {
    return value === undefined ? 0 : this.#values.push(value) - 1;
  }

  /** The text in the module's memory, zero-terminated. */
  copy(text) {
    const bytes = new TextEncoder().encode(`${text}\0`);
    const address = this.exports().wasm_alloc(bytes.length);
    check(address !== 0, 'no memory');
    new Uint8Array(this.exports().memory.buffer, address, bytes.length).set(bytes);
    this.#copies.push([address, bytes.length]);
    return address;
  }

  forget() {
    for (const [address, length] of this.#copies) this.exports().wasm_release(address, length);
    this.#copies = [];
    this.#values.length = 1;
  }

  imports(text) {
    const of = (number) => this.#values[number];
    const type = (value) => {
      if (value === undefined) return 0;
      if (value === null) return 1;
      return { bigint: 2, string: 3 }[typeof value] ?? (Array.isArray(value) ? 4 : 5);
    };
    return {
      load: (name) => {
        const file = path.join(folder, text(name));
        return existsSync(file) ? this.give(parse(readFileSync(file, 'utf8'))) : 0;
      },
      type: (number) => type(of(number)),
      member: (number, name) => (type(of(number)) === 5 ? this.give(of(number)[text(name)]) : 0),
      item: (number, i) => (type(of(number)) === 4 ? this.give(of(number)[i]) : 0),
      size: (number) => (type(of(number)) === 4 ? of(number).length : 0),
      integer: (number) => (type(of(number)) === 2 ? BigInt.asIntN(64, of(number)) : 0n),
      string: (number) => (type(of(number)) === 3 ? this.copy(of(number)) : 0),
    };
  }
}

async function start() {
  const [{ hostImports }, { e2ee }] = await Promise.all([hostScript(), library()]);
  let exports;
  const text = (address) => {
    const bytes = Buffer.from(exports.memory.buffer, address);
    return bytes.toString('utf8', 0, bytes.indexOf(0));
  };
  const json = new Json(() => exports);
  const host = hostImports(() => exports.memory, e2ee.nobleAead, e2ee.nobleCurves);
  const { instance } = await WebAssembly.instantiate(readFileSync(vectorsPath), { host, json: json.imports(text) });
  exports = instance.exports;
  exports._initialize();
  return { exports, json, text };
}

let started;
const vectors = () => (started ??= start());

// The other suites' curves are JavaScript here: 10 to 100 times slower than natively, where all entries run.
const FAST_SUITES = [0, 1, 3];

/** Runs every entry of the fast suites and of those without a suite, of each other suite the first and then every `step`-th. All
 *  must hold; those of suites that the library has not are counted. */
async function runFile(t, name, step) {
  const { exports, json, text } = await vectors();
  const entries = parse(readFileSync(path.join(folder, name), 'utf8'));
  const suites = new Set();
  const seen = {};
  const failures = [];
  let passed = 0, skipped = 0, failed = 0, left = 0;
  check(exports.vectors_kind(json.copy(name)) !== 0, `${name}: its kind is not known`);
  for (const [i, entry] of entries.entries()) {
    const suite = Number(entry.cipher_suite ?? 0);
    seen[suite] = (seen[suite] ?? 0) + 1;
    if (!FAST_SUITES.includes(suite) && (seen[suite] - 1) % step !== 0) {
      left++;
      continue;
    }
    const result = exports.vectors_run(json.give(entry), i);
    if (result === PASSED) passed++;
    else if (result === SKIPPED) {
      skipped++;
      suites.add(exports.vectors_suite());
    } else if (++failed <= FAILURES_SHOWN) failures.push(`${name}: entry ${i}: ${text(exports.vectors_failed())} (line ${exports.vectors_failed_line()})`);
    json.forget();
  }
  const also = (left > 0 ? `, ${left} left out` : '') + (skipped > 0 ? `, ${skipped} skipped, of suites ${[...suites].join(' ')}` : '');
  t.note(`${name}: ${passed} passed, ${failed} failed${also}`);
  check(failed === 0, failures.join('\n'));
  check(passed > 0, `${name}: nothing passed`);
}

const mls = (names) => names.map((name) => `mls/${name}.json`);
const passive = readdirSync(path.join(folder, 'mls/interop-passive')).filter((name) => name.endsWith('.json'));

const SPARSE = 8;
const KINDS = [
  ['of primitives and keys', mls(['crypto-basics', 'key-schedule', 'psk_secret', 'secret-tree', 'transcript-hashes']), 1],
  ['of encodings and messages', mls(['deserialization', 'messages', 'message-protection']), 1],
  ['of tree arithmetic and edits', mls(['tree-math', 'tree-operations']), 1],
  ['of tree validation and TreeKEM', mls(['tree-validation', 'treekem']), SPARSE],
  ['of Welcomes', mls(['welcome', 'passive-client-welcome']), 1],
  ['of passive clients that follow commits', mls(['passive-client-handling-commit']), SPARSE],
  ['of passive clients of other implementations', passive.map((name) => `mls/interop-passive/${name}`), SPARSE],
];

for (const [what, files, step] of KINDS) {
  const some = step > 1 ? `, of slow suites each ${step}th,` : '';
  test(`the official MLS vectors ${what}${some} hold in WebAssembly`, { timeoutMs: 120_000 }, async (t) => {
    for (const name of files) await runFile(t, name, step);
  });
}

test('the official SFrame vectors hold in WebAssembly, with all that the host has no cipher for left out', async (t) => {
  const { exports, json } = await vectors();
  for (const name of ['sframe/test-vectors.json', 'sframe/test-vectors-aes256.json']) {
    // the checks want numbers as texts, as the native runner gives them
    const text = readFileSync(path.join(folder, name), 'utf8').replace(/"[^"]*"|\d+/g, (token) => (token[0] === '"' ? token : `"${token}"`));
    const results = { 0: 0, 1: 0, 2: 0 };
    for (const [kind, entries] of Object.entries(JSON.parse(text))) {
      for (const entry of entries) {
        results[exports.vectors_sframe(json.copy(kind), json.give(entry))]++;
        json.forget();
      }
    }
    t.note(`${name}: ${results[1]} passed, ${results[0]} failed, ${results[2]} left out`);
    check(results[0] === 0 && results[1] > 0, `${name}: ${results[0]} failed`);
  }
});

const PRIMITIVES = [
  'Wycheproof’s vectors of ciphers, hashes, key agreements and signatures, and all that their tests say, hold in WebAssembly',
  'the HPKE vectors of RFC 9180 and of the post-quantum draft hold in WebAssembly',
  'the vectors of ML-KEM-768 hold in WebAssembly',
  'the vectors of X-Wing hold in WebAssembly',
];

for (const [which, sentence] of PRIMITIVES.entries()) {
  test(sentence, { timeoutMs: 120_000 }, async () => {
    // a failure ends an instance: each has its own
    const { exports } = await start();
    check(exports.vectors_crypto(which) === 0, 'there is no such test');
  });
}
