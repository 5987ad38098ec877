// What members of MLS groups pay, side by side: ours natively (build/bench/bench_mls_group), ours in WebAssembly in this process, and
// ts-mls. One row a group; the columns, and the two kinds of tree, are those of bench_mls_group.
//
//     tools/node tests/bench/e2ee.mjs [members..]     10, 100, 500 and 1000 without any
//
// Milliseconds of the processor, all threads of the process together; medians of a few runs. Progress goes to stderr, the table to
// stdout. WebAssembly and ts-mls have rows up to SLOW_MAX members: they are for judging a meeting in a browser, and are slow to build.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { library, wasmPath } from '../e2ee/library.mjs';
import { TsMember, WasmMember } from '../e2ee/members.mjs';

const SLOW_MAX = 100;
const HYBRID = 0xf0a7;
const SUITES = [1, 2, HYBRID];
const TS_SUITES = [1, 2];
const RUNS = { wasm: 5, 'ts-mls': 3 };
const suiteName = (suite) => (suite === HYBRID ? 'hybrid' : String(suite));

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 100, 500, 1000];
const nativePath = path.resolve(path.dirname(wasmPath), '../bench/bench_mls_group');

const started = Date.now();
const progress = (text) => process.stderr.write(`${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Processor time of an action, with what it answered. */
async function timed(action) {
  const before = process.cpuUsage();
  const result = await action();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, result };
}

// --- ours natively ---------------------------------------------------------------------------------------------------

/** The rows of the native program as cells: suite, members, tree, figures. */
async function nativeRows() {
  const child = spawn(nativePath, sizes.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  const rows = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const cells = line.trim().split(/\s+/);
    if (!['bare', 'filled'].includes(cells[2])) continue; // the header
    rows.push({ library: 'native', cells });
    progress(`native, suite ${cells[0]}, ${cells[1]} members, ${cells[2]}`);
  }
  const status = await ended;
  if (status !== 0) throw new Error(`${nativePath} ended with ${status}`);
  return rows;
}

// --- in JavaScript ---------------------------------------------------------------------------------------------------

/** Members as the two libraries make them, and how they join: usable first, then verified where these differ. */
const kinds = {
  wasm: {
    make: async (suite, name) => {
      const { e2ee, module } = await library();
      return WasmMember.make(e2ee, module, suite, name);
    },
    join: async (host, joiner, welcome) => {
      const tree = host.group.tree();
      const usable = await timed(() => (joiner.group = joiner.client.join(welcome, tree, true)));
      const rest = await timed(() => joiner.group.verifySome(joiner.group.verifyLeft));
      if (joiner.group.verifyLeft > 0) throw new Error(`${joiner.group.verifyLeft} leaf signatures are not checked`);
      return { usable: usable.ms, verified: usable.ms + rest.ms, treeBytes: tree.length };
    },
    commit: (host, what) => {
      const { group } = host;
      const proposals = [...(what.add ?? []).map((kp) => group.proposeAdd(kp)), ...(what.remove ?? []).map((leaf) => group.proposeRemove(leaf))];
      return group.commit(proposals, { noPath: what.add !== undefined });
    },
  },
  // commits without a path by itself when they only add; checks everything before it lets a joiner in; the tree is in the Welcome
  'ts-mls': {
    make: (suite, name) => TsMember.make(suite, name),
    join: async (host, joiner, welcome) => {
      const { ms } = await timed(() => joiner.join(welcome));
      return { usable: ms, verified: ms, treeBytes: undefined };
    },
    commit: (host, what) => host.commit(what),
  },
};

/** The founder adds all others at once, without a path. */
async function bareGroup(kind, suite, members) {
  const host = await kind.make(suite, 'host');
  const middle = await kind.make(suite, 'middle');
  await host.create(crypto.randomBytes(16));
  const add = [];
  for (let at = 1; at < members; at++) {
    const other = at === members >> 1 ? middle : await kinds.wasm.make(suite, 'somebody');
    add.push(await other.keyPackage());
    if (other !== middle) await other.free();
  }
  const { welcome } = await host.commit({ add, noPath: true });
  await host.confirm();
  await middle.join(welcome);
  return { host, middle };
}

/** Comes by external commit, which those in `follow` process. */
async function enter(member, info, follow) {
  const commit = await member.joinExternal(info);
  for (const other of follow) await other.process(commit);
  await member.confirm();
}

/** Everybody comes by external commit to ours (see `info` in members.mjs); members of ts-mls then take over the leaves of two. */
async function filledGroup(kind, suite, members) {
  const make = kinds.wasm.make;
  const host = await make(suite, 'host');
  await host.create(crypto.randomBytes(16));
  const watched = kind === kinds.wasm ? members >> 1 : 1;
  let other;
  for (let at = 1; at < members; at++) {
    const member = await make(suite, at === watched ? 'middle' : 'somebody');
    const info = await host.info();
    const { group, commit } = member.client.joinExternal(member.identity, info, { verifyLater: true });
    member.group = group;
    await host.process(commit);
    await other?.process(commit);
    await member.confirm();
    if (at === watched) other = member;
    else await member.free();
  }
  if (kind === kinds.wasm) return { host, middle: other };

  // the leftmost blank leaf is the newcomer's: the middle first, then the founder
  const first = await kind.make(suite, 'host');
  const middle = await kind.make(suite, 'middle');
  const leaf = members >> 1;
  await other.process((await host.commit({ remove: [leaf] })).commit);
  await host.confirm();
  await enter(middle, await host.info(), [host, other]);
  await middle.process((await other.commit({ remove: [0] })).commit);
  await other.confirm();
  await host.free();
  await enter(first, await other.info(), [other, middle]);
  await other.free();
  return { host: first, middle };
}

/** A commit of the host that the middle one follows. */
async function change(kind, { host, middle }, what, figures) {
  const committed = await timed(async () => {
    const made = await kind.commit(host, what);
    await host.confirm();
    return made;
  });
  const processed = await timed(() => middle.process(committed.result.commit));
  figures?.push({ commit: committed.ms, process: processed.ms, bytes: committed.result.commit.length });
  return committed.result;
}

/** Somebody to remove: not the two, and as far from the end as natively. */
async function victim({ host, middle }, run) {
  const { members, leaf: first } = await host.state();
  const { leaf: second } = await middle.state();
  const leaves = members.map((m) => m.leaf).filter((leaf) => leaf !== first && leaf !== second && leaf <= members.length - 2 - run);
  return leaves.pop();
}

async function measure(kind, suite, group, runs) {
  const figures = { add: [], join: [], path: [], remove: [] };
  for (let run = 0; run < runs; run++) {
    const joiner = await kind.make(suite, 'joiner');
    const { welcome } = await change(kind, group, { add: [await joiner.keyPackage()] });
    const joined = await kind.join(group.host, joiner, welcome);
    figures.join.push({ ...joined, welcomeBytes: welcome.length });
    await change(kind, group, { remove: [(await joiner.state()).leaf] });
    await joiner.free();
  }
  for (let run = 0; run < runs; run++) {
    const added = await kind.make(suite, 'added');
    await change(kind, group, { add: [await added.keyPackage()] }, figures.add);
    await added.free();
  }
  for (let run = 0; run < runs; run++) await change(kind, group, {}, figures.path);
  for (let run = 0; run < runs; run++) await change(kind, group, { remove: [await victim(group, run)] }, figures.remove);
  return figures;
}

function cellsOf(figures) {
  const ms = (list, name) => median(list.map((f) => f[name])).toFixed(2);
  const changed = (list) => [ms(list, 'commit'), ms(list, 'process'), list.at(-1).bytes];
  const joined = figures.join.at(-1);
  return [
    ...changed(figures.add),
    ms(figures.join, 'usable'), ms(figures.join, 'verified'), joined.treeBytes ?? '-', joined.welcomeBytes,
    ...changed(figures.path), ...changed(figures.remove),
  ];
}

async function scriptRows(name, suites) {
  const rows = [];
  const kind = kinds[name];
  for (const suite of suites) {
    for (const members of sizes.filter((n) => n <= SLOW_MAX)) {
      for (const tree of ['bare', 'filled']) {
        const group = await (tree === 'bare' ? bareGroup : filledGroup)(kind, suite, members);
        const figures = await measure(kind, suite, group, RUNS[name]);
        await group.host.free();
        await group.middle.free();
        rows.push({ library: name, cells: [suiteName(suite), members, tree, ...cellsOf(figures)] });
        progress(`${name}, suite ${suiteName(suite)}, ${members} members, ${tree}`);
      }
    }
  }
  return rows;
}

// --- the table -------------------------------------------------------------------------------------------------------

const HEADER = [
  'suite', 'members', 'tree', 'library', 'commit', 'process', 'bytes', 'usable', 'verified', 'tree B', 'Welcome',
  'commit', 'process', 'bytes', 'commit', 'process', 'bytes',
];
const WIDTHS = [7, 7, 6, 7, 8, 8, 7, 8, 8, 7, 7, 8, 8, 7, 8, 8, 7];
const line = (cells) => cells.map((cell, i) => (i < 4 ? String(cell).padEnd(WIDTHS[i]) : String(cell).padStart(WIDTHS[i]))).join(' ');

function print(rows) {
  const titles = [['add, no path', 4, 7], ['join', 7, 11], ['path', 11, 14], ['remove', 14, 17]];
  const width = (from, to) => WIDTHS.slice(from, to).reduce((sum, w) => sum + w + 1, 0) - 1;
  console.log(`${os.cpus()[0]?.model ?? 'processor'}, Node ${process.version}; ms of the processor, medians; bytes on the wire`);
  console.log([' '.repeat(width(0, 4)), ...titles.map(([title, from, to]) => title.padStart(width(from, to)))].join(' '));
  console.log(line(HEADER));
  const groups = new Map();
  for (const { library: from, cells } of rows) {
    const group = cells.slice(0, 3).join(' ');
    groups.set(group, [...(groups.get(group) ?? []), [...cells.slice(0, 3), from, ...cells.slice(3)]]);
  }
  for (const group of groups.values()) for (const cells of group) console.log(line(cells));
  console.log('ts-mls has the tree inside the Welcome, and lets a joiner in when all is verified.');
}

if (sizes.some((n) => !Number.isInteger(n) || n < 10)) throw new RangeError('numbers of members, 10 at least');
print([...(await nativeRows()), ...(await scriptRows('wasm', SUITES)), ...(await scriptRows('ts-mls', TS_SUITES))]);
