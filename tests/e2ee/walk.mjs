// Random walks: members come and go, update, propose and write, in random order, and after each step everybody who should agrees.
//
// ts-mls 1.6.4 differs from RFC 9420 in some places; walks with it stay clear of these, and only of these:
//   - it wants equal unmerged_leaves along a whole direct path, where section 7.9 wants them up to the node that lists the leaf: who was
//     added commits next, so that no leaf stays unmerged, and ts-mls itself enters larger groups by external commit;
//   - it takes the data of external_pub for the key itself (members.mjs): GroupInfos come from ours;
//   - it counts a blank root in commit_secret (RFC 9420 sections 7.4, 7.5): groups do not shrink below two members;
//   - it does not pass PSKs to commits in PrivateMessages, and reads external_senders as one: no PSKs, no external senders here.
import { check, checkEqual, test } from '../lib/runner.mjs';
import { quickLibrary, peerPath } from './library.mjs';
import { NativeMember, NativePeer, TsMember, WasmMember } from './members.mjs';

const utf8 = (text) => new TextEncoder().encode(text);
const MEMBERS_MAX = 20;
// ts-mls copies its whole state at each message: with more of them at a time a walk takes minutes.
const TS_MAX = 3;

/** xorshift32: a seed is the whole walk but for keys. */
function random(seed) {
  let x = seed * 2654435761 >>> 0 || 1;
  return (below) => {
    x ^= x << 13; x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5; x >>>= 0;
    return x % below;
  };
}

class Walk {
  constructor(kinds, seed, gentle) {
    this.draw = random(seed);
    this.kinds = kinds;
    this.gentle = gentle;
    this.members = [];
    this.gone = [];
    this.made = 0;
    this.counts = {};
  }

  pick = (list) => list[this.draw(list.length)];
  newMember = () => {
    const crowded = this.members.filter((m) => m.constructor.kind === 'ts-mls').length >= TS_MAX;
    return this.pick(crowded ? this.kinds.slice(0, 2) : this.kinds)(`m${this.made++}`);
  };

  async deliver(from, message, except = []) {
    for (const m of this.members) if (m !== from && !except.includes(m)) await m.process(message);
  }

  async commit(committer, what, newcomers = [], leaving = []) {
    const { commit, welcome } = await committer.commit(what);
    await this.deliver(committer, commit, leaving);
    await committer.confirm();
    this.members = this.members.filter((m) => !leaving.includes(m));
    this.gone.push(...leaving);
    for (const m of newcomers) {
      await m.join(welcome);
      this.members.push(m);
    }
    if (this.gentle) for (const m of newcomers) await this.commit(m, {});
  }

  async step() {
    const ops = ['add', 'add', 'remove', 'path', 'write', 'external', 'proposals', 'race', 'batch'];
    const op = this.pick(ops);
    const committer = this.pick(this.members);
    this.counts[op] = (this.counts[op] ?? 0) + 1;
    const room = this.members.length < MEMBERS_MAX;
    if (op === 'add' && room) {
      const m = await this.newMember();
      if (this.gentle && m.constructor.kind === 'ts-mls' && this.members.length > 2) await this.external(m);
      else await this.commit(committer, { add: [await m.keyPackage()] }, [m]);
    } else if (op === 'batch' && this.members.length + 2 < MEMBERS_MAX) {
      const ms = [];
      while (ms.length < 3) {
        const m = await this.newMember();
        if (!this.gentle || m.constructor.kind !== 'ts-mls') ms.push(m);
      }
      await this.commit(committer, { add: [await ms[0].keyPackage(), await ms[1].keyPackage(), await ms[2].keyPackage()] }, ms);
    } else if (op === 'remove' && this.members.length > 3) {
      const victim = this.pick(this.members.filter((m) => m !== committer && m !== this.members[0]));
      if (!victim) return;
      await this.commit(committer, { remove: [(await victim.state()).leaf] }, [], [victim]);
    } else if (op === 'external' && room) {
      await this.external(await this.newMember());
    } else if (op === 'proposals' && this.members.length > 3) {
      await this.byReference(committer);
    } else if (op === 'race' && this.members.length > 2) {
      await this.race(committer);
    } else if (op === 'write') {
      await this.write();
    } else {
      await this.commit(committer, {});
    }
  }

  async external(m) {
    const commit = await m.joinExternal(await this.pick(this.members.filter((other) => other.info)).info());
    await this.deliver(undefined, commit);
    await m.confirm();
    this.members.push(m);
  }

  /** Proposals in messages of their own, and a commit that covers them. */
  async byReference(committer) {
    const others = this.members.filter((m) => m !== committer);
    const proposer = this.pick(others);
    const leaving = others.find((m) => m !== proposer && m !== this.members[0]);
    if (!leaving) return;
    const message = await proposer.propose({ remove: (await leaving.state()).leaf });
    await this.deliver(proposer, message);
    if (proposer.update && !this.gentle) await this.deliver(proposer, await proposer.update());
    await this.commit(committer, {}, [], [leaving]);
  }

  /** Two commit at once; the second is dropped and the winner's processed. */
  async race(committer) {
    const loser = this.pick(this.members.filter((m) => m !== committer));
    const late = await loser.commit({});
    const winner = await committer.commit({});
    await loser.drop();
    await this.deliver(committer, winner.commit);
    await committer.confirm();
    const again = await this.pick(this.members.filter((m) => m !== loser)).process(late.commit).then(() => 'taken', () => 'refused');
    checkEqual(again, 'refused', "the loser's commit");
  }

  async write() {
    const sender = this.pick(this.members);
    for (let i = 0; i <= this.draw(3); i++) {
      const text = `${sender.name} ${i}`;
      const message = await sender.protect(utf8(text));
      for (const m of this.members) if (m !== sender) checkEqual(Buffer.from(await m.process(message)).toString(), text, 'text');
      const outsider = this.gone.at(-1);
      if (outsider) checkEqual(await outsider.process(message).then(() => 'opened', () => 'refused'), 'refused', 'somebody who was removed');
    }
  }

  async agree() {
    const states = await Promise.all(this.members.map((m) => m.state()));
    for (const [i, s] of states.entries()) {
      checkEqual([s.epoch, s.authenticator], [states[0].epoch, states[0].authenticator], `${this.members[i].constructor.kind} ${this.members[i].name} against ${this.members[0].constructor.kind}`);
      checkEqual(s.members.map((m) => m.identity).sort(), this.members.map((m) => m.name).sort(), 'members');
    }
  }

  async run(steps) {
    const first = await this.kinds[0]('first'); // ours: somebody has to hand out GroupInfos
    await first.create(utf8('walk'));
    this.members.push(first);
    const second = await this.newMember();
    await this.commit(first, { add: [await second.keyPackage()] }, [second]);
    for (let i = 0; i < steps; i++) {
      await this.step();
      await this.agree();
      while (this.gone.length > 4) await this.gone.shift().free();
    }
    for (const m of [...this.members, ...this.gone]) await m.free();
  }
}

async function walk(t, suite, seed, steps, withTs) {
  const { e2ee, module } = await quickLibrary();
  const peer = new NativePeer(t, peerPath);
  const kinds = [(name) => NativeMember.make(peer, suite, name), (name) => WasmMember.make(e2ee, module, suite, name)];
  if (withTs) kinds.push((name) => TsMember.make(suite, name, true));
  const w = new Walk(kinds, seed, withTs);
  try {
    await w.run(steps);
  } catch (error) {
    error.message = `suite ${suite}, seed ${seed}: ${error.message}`;
    throw error;
  }
  check(w.made > steps / 10, 'many came');
  t.note(`${steps} operations, ${w.made} members: ${JSON.stringify(w.counts)}`);
}

for (const [suite, seeds, steps] of [[1, [1, 2], 300], [3, [4], 300], [2, [5], 300], [7, [6], 300]]) {
  for (const seed of seeds) {
    test(`a random walk with ts-mls, suite ${suite}, seed ${seed}`, { timeoutMs: 240_000 }, (t) => walk(t, suite, seed, steps, true));
  }
}

for (const [suite, seeds, steps] of [[1, [11, 12], 300], [0xf0a7, [14], 300]]) {
  for (const seed of seeds) {
    test(`a random walk natively and in WebAssembly, suite ${suite.toString(16)}, seed ${seed}`, { timeoutMs: 240_000 }, (t) => walk(t, suite, seed, steps, false));
  }
}
