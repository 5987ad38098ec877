// One member of a group, in three implementations behind one interface: ours natively (a process), ours in WebAssembly, and ts-mls.
//
//     await keyPackage()                  bytes to add this member with
//     await create(id)
//     await commit({add, remove, path})   -> {commit, welcome}; pending
//     await confirm() / drop()
//     await join(welcome) / joinExternal(info) -> commit
//     await process(message)              -> application data, or undefined; commits are applied
//     await update()                      a proposal to replace its own leaf
//     await propose({add, remove})
//     await protect(data)
//     await state()                       -> {epoch, leaf, authenticator, members: [{leaf, identity}]}
//     await info()                        GroupInfo with external_pub and tree (ours only)
import { spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { createInterface } from 'node:readline';
import { p256, p384 } from '@noble/curves/nist.js';
import * as ts from 'ts-mls';
import { nodeHpke } from './node-curves.mjs';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'));
const utf8 = (text) => new TextEncoder().encode(text);

/** A refusal; `code` names the rule when the implementation tells. */
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** The native process: many members live in one. */
export class NativePeer {
  constructor(t, program) {
    this.child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = [];
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line)));
    this.child.on('exit', (code) => this.waiting.splice(0).forEach(({ reject }) => reject(new Error(`mls-peer ended with ${code}`))));
    t.defer(() => this.child.kill());
  }

  async ask(op, fields = {}) {
    const reply = await new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(JSON.stringify({ op, ...fields }) + '\n');
    });
    if (reply.error) throw new Refused(reply.error);
    return reply.ok;
  }
}

export class NativeMember {
  static kind = 'native';

  static async make(peer, suite, name) {
    const m = new NativeMember();
    Object.assign(m, { peer, suite, name });
    m.client = await peer.ask('client');
    m.identity = await peer.ask('identity', { suite, name: hex(utf8(name)), no_grease: true });
    return m;
  }

  keyPackage = async () => unhex(await this.peer.ask('key_package', { client: this.client, identity: this.identity }));
  create = async (id) => void (this.group = await this.peer.ask('create', { client: this.client, identity: this.identity, id: hex(id) }));
  commit = async ({ add = [], remove = [], noPath = false, privately = false } = {}) => {
    const proposals = [...add.map((kp) => ({ add: hex(kp) })), ...remove.map((leaf) => ({ remove: leaf }))];
    const made = await this.peer.ask('commit', { group: this.group, proposals, no_path: noPath, private: privately });
    return { commit: unhex(made.commit), welcome: unhex(made.welcome) };
  };
  confirm = () => this.peer.ask('confirm', { group: this.group });
  drop = () => this.peer.ask('drop', { group: this.group });
  join = async (welcome) => void (this.group = await this.peer.ask('join', { client: this.client, welcome: hex(welcome) }));
  joinExternal = async (info) => {
    const made = await this.peer.ask('join_external', { client: this.client, identity: this.identity, info: hex(info) });
    this.group = made.group;
    return unhex(made.commit);
  };
  process = async (message) => {
    const got = await this.peer.ask('process', { group: this.group, message: hex(message) });
    if (got.kind === 2) await this.peer.ask('apply', { group: this.group });
    return got.kind === 0 ? unhex(got.data) : undefined;
  };
  update = async () => unhex(await this.peer.ask('propose', { group: this.group, update: true }));
  propose = async ({ add, remove }) =>
    unhex(await this.peer.ask('propose', { group: this.group, proposals: [add ? { add: hex(add) } : { remove }] }));
  protect = async (data) => unhex(await this.peer.ask('protect', { group: this.group, data: hex(data) }));
  state = async () => {
    const s = await this.peer.ask('state', { group: this.group });
    return { epoch: s.epoch, leaf: s.leaf, authenticator: s.authenticator, members: s.members.map((m) => ({ leaf: m.leaf, identity: Buffer.from(m.identity, 'hex').toString() })) };
  };
  info = async () => unhex(await this.peer.ask('info', { group: this.group }));
  free = async () => {
    if (this.group) await this.peer.ask('free', { group: this.group });
    await this.peer.ask('client_free', { client: this.client });
  };
}

export class WasmMember {
  static kind = 'wasm';

  static async make(e2ee, module, suite, name) {
    const m = new WasmMember();
    const key = e2ee.generateSignatureKey(module, suite);
    Object.assign(m, { e2ee, module, suite, name, client: new e2ee.Client(module), identity: new e2ee.Identity(module, suite, utf8(name), key.privateKey) });
    return m;
  }

  keyPackage = async () => this.client.keyPackage(this.identity);
  create = async (id) => void (this.group = this.client.createGroup(this.identity, id));
  commit = async ({ add = [], remove = [], noPath = false } = {}) =>
    this.group.commit([...add.map((kp) => this.group.proposeAdd(kp)), ...remove.map((leaf) => this.group.proposeRemove(leaf))], { noPath, tree: true });
  confirm = async () => this.group.confirm();
  drop = async () => this.group.drop();
  join = async (welcome) => void (this.group = this.client.join(welcome));
  joinExternal = async (info) => {
    const made = this.client.joinExternal(this.identity, info);
    this.group = made.group;
    return made.commit;
  };
  process = async (message) => {
    let got;
    try {
      got = this.group.process(message);
    } catch (error) {
      throw error.code ? new Refused(error.code) : error;
    }
    if (got.kind === 'commit') this.group.apply();
    return got.kind === 'application' ? got.data : undefined;
  };
  update = async () => this.group.proposeUpdate();
  propose = async ({ add, remove }) => this.group.propose(add ? this.group.proposeAdd(add) : this.group.proposeRemove(remove));
  protect = async (data) => this.group.protect(data);
  state = async () => ({
    epoch: Number(this.group.epoch), leaf: this.group.ownLeaf, authenticator: hex(this.group.epochAuthenticator),
    members: this.group.members().map((m) => ({ leaf: m.leaf, identity: new TextDecoder().decode(m.identity) })),
  });
  info = async () => this.group.groupInfo(true, true);
  free = async () => {
    this.group?.free();
    this.client.free();
    this.identity.free();
  };
}

const tsName = (suite) => Object.keys(ts.ciphersuites).find((name) => ts.ciphersuites[name] === suite);
const wire = (content) => ts.encodeMlsMessage({ version: 'mls10', ...content });

/** Signatures of a NIST curve by Node: those that ts-mls takes from JavaScript cost milliseconds each. The rest of ts-mls is its own. */
function nistSignature(curve, name, hash, noble) {
  const base64 = (bytes) => Buffer.from(bytes).toString('base64url');
  const jwk = (point) => {
    const bytes = noble.Point.fromBytes(point).toBytes(false);
    const half = (bytes.length - 1) / 2;
    return { kty: 'EC', crv: name, x: base64(bytes.subarray(1, 1 + half)), y: base64(bytes.subarray(1 + half)) };
  };
  const publicKeys = new Map();
  const publicKey = (point) => {
    const id = hex(point);
    if (!publicKeys.has(id)) publicKeys.set(id, createPublicKey({ key: jwk(point), format: 'jwk' }));
    return publicKeys.get(id);
  };
  const privateKeys = new Map();
  const privateKey = (d) => {
    const id = hex(d);
    if (!privateKeys.has(id)) privateKeys.set(id, createPrivateKey({ key: { ...jwk(noble.getPublicKey(d)), d: base64(d) }, format: 'jwk' }));
    return privateKeys.get(id);
  };
  return {
    ...curve,
    sign: async (key, message) => new Uint8Array(sign(hash, message, privateKey(key))),
    verify: async (key, message, signature) => {
      try {
        return verify(hash, message, publicKey(key), signature);
      } catch {
        return false; // no point, as in what ts-mls would do
      }
    },
  };
}

const nistCurves = { 2: ['P-256', 'sha256', p256], 7: ['P-384', 'sha384', p384] };
const suiteImplementations = new Map();
/** ts-mls's implementation of a suite, made once; when `quick` its HPKE over NIST curves is by Node as well. */
async function tsSuite(suite, quick) {
  const id = `${suite} ${quick}`;
  if (!suiteImplementations.has(id)) {
    const algorithms = ts.getCiphersuiteFromName(tsName(suite));
    const cs = await ts.getCiphersuiteImpl(algorithms, ts.defaultCryptoProvider);
    const nist = nistCurves[suite];
    if (nist) cs.signature = nistSignature(cs.signature, ...nist);
    if (nist && quick) cs.hpke = await nodeHpke(algorithms.hpke);
    suiteImplementations.set(id, cs);
  }
  return suiteImplementations.get(id);
}

/** Three months, as RFC 9420 section 7.2 has in mind: ts-mls's default never ends, which ours refuses. */
const lifetime = () => {
  const now = BigInt(Math.floor(Date.now() / 1000));
  return { notBefore: now - 3600n, notAfter: now + 90n * 86400n };
};

export class TsMember {
  static kind = 'ts-mls';

  static async make(suite, name, quick = false) {
    const m = new TsMember();
    Object.assign(m, { suite, name, cs: await tsSuite(suite, quick) });
    return m;
  }

  keyPackage = async () => {
    const credential = { credentialType: 'basic', identity: utf8(this.name) };
    // ts-mls makes compressed points; RFC 9420 section 5.1.1 wants signature keys uncompressed
    const key = await this.cs.signature.keygen();
    const curve = { 2: p256, 7: p384 }[this.suite];
    const pair = curve ? { signKey: key.signKey, publicKey: curve.getPublicKey(key.signKey, false) } : key;
    this.own = await ts.generateKeyPackageWithKey(credential, ts.defaultCapabilities(), lifetime(), [], pair, this.cs);
    return wire({ wireformat: 'mls_key_package', keyPackage: this.own.publicPackage });
  };
  create = async (id) => {
    await this.keyPackage();
    this.now = await ts.createGroup(id, this.own.publicPackage, this.own.privatePackage, [], this.cs);
  };
  commit = async ({ add = [], remove = [], privately = false } = {}) => {
    const extraProposals = [
      ...add.map((kp) => ({ proposalType: 'add', add: { keyPackage: ts.decodeMlsMessage(kp, 0)[0].keyPackage } })),
      ...remove.map((leaf) => ({ proposalType: 'remove', remove: { removed: leaf } })),
    ];
    const made = await ts.createCommit({ state: this.now, cipherSuite: this.cs }, { wireAsPublicMessage: !privately, extraProposals, ratchetTreeExtension: true });
    this.next = made.newState;
    return { commit: ts.encodeMlsMessage(made.commit), welcome: made.welcome ? wire({ wireformat: 'mls_welcome', welcome: made.welcome }) : new Uint8Array(0) };
  };
  confirm = async () => void (this.now = this.next);
  drop = async () => void (this.next = undefined);
  join = async (welcome) =>
    void (this.now = await ts.joinGroup(ts.decodeMlsMessage(welcome, 0)[0].welcome, this.own.publicPackage, this.own.privatePackage, ts.emptyPskIndex, this.cs));
  joinExternal = async (info) => {
    await this.keyPackage();
    const { groupInfo } = ts.decodeMlsMessage(info, 0)[0];
    // ts-mls takes the data of external_pub for the key itself; RFC 9420 section 12.4.3.2 has a vector there. The signature is over what
    // was sent, so only the look-up is told otherwise.
    groupInfo.extensions.find = function (matches) {
      const found = Array.prototype.find.call(this, matches);
      if (found?.extensionType !== 'external_pub') return found;
      const header = found.extensionData[0] >> 6 === 0 ? 1 : 2;
      return { ...found, extensionData: found.extensionData.slice(header) };
    };
    const made = await ts.joinGroupExternal(groupInfo, this.own.publicPackage, this.own.privatePackage, false, this.cs);
    this.next = made.newState;
    return wire({ wireformat: 'mls_public_message', publicMessage: made.publicMessage });
  };
  process = async (message) => {
    const decoded = ts.decodeMlsMessage(message, 0);
    if (!decoded) throw new Refused('undecodable');
    const got = await ts.processMessage(decoded[0], this.now, ts.emptyPskIndex, ts.acceptAll, this.cs);
    this.now = got.newState;
    return got.kind === 'applicationMessage' ? got.message : undefined;
  };
  propose = async ({ add, remove }) => {
    const proposal = add
      ? { proposalType: 'add', add: { keyPackage: ts.decodeMlsMessage(add, 0)[0].keyPackage } }
      : { proposalType: 'remove', remove: { removed: remove } };
    const made = await ts.createProposal(this.now, true, proposal, this.cs);
    this.now = made.newState;
    return ts.encodeMlsMessage(made.message);
  };
  protect = async (data) => {
    const made = await ts.createApplicationMessage(this.now, data, this.cs);
    this.now = made.newState;
    return wire({ wireformat: 'mls_private_message', privateMessage: made.privateMessage });
  };
  state = async () => ({
    epoch: Number(this.now.groupContext.epoch),
    leaf: this.now.privatePath.leafIndex,
    authenticator: hex(this.now.keySchedule.epochAuthenticator),
    members: this.now.ratchetTree.flatMap((node, i) =>
      i % 2 === 0 && node ? [{ leaf: i / 2, identity: Buffer.from(node.leaf.credential.identity).toString() }] : []),
  });
  // no info(): ts-mls writes external_pub without the vector, see joinExternal
  free = async () => {};
}
