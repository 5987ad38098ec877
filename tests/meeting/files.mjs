// Files: sealed bytes for members, while the meeting lasts.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { check, checkEqual, test, until } from '../lib/runner.mjs';
import { rssBytes, startServer } from '../lib/server.mjs';
import { enter } from '../lib/member.mjs';

const filesUrl = (server, meeting, id) => `${server.url}/api/v2/meetings/${meeting.id}/files${id === undefined ? '' : `/${id}`}`;
const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

function up(server, meeting, token, bytes) {
  return fetch(filesUrl(server, meeting), { method: 'POST', headers: bearer(token), body: bytes });
}

function down(server, meeting, token, id, headers = {}) {
  return fetch(filesUrl(server, meeting, id), { headers: { ...bearer(token), ...headers } });
}

const kept = (server) => fs.readdirSync(path.join(server.dir, 'data/files')).length;

test('a file goes up, is told of in the group, and comes down whole and in parts', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  const sealed = crypto.randomBytes(3_000_000);
  const reply = await up(server, meeting, ann.token, sealed);
  checkEqual(reply.status, 201, 'status');
  const { id } = await reply.json();
  const key = crypto.randomBytes(32).toString('hex');
  checkEqual(await ann.do('file', { to: '', id, name: 'plan.pdf', len: sealed.length, key, sha256: key }), 'OK', 'telling of it');
  const [told] = await until('the file to be told of', () => bob.of('file').length > 0 && bob.of('file'));
  checkEqual([told.id, told.name, told.key, told.identity], [id, 'plan.pdf', key, ann.identity], 'what was told');
  const whole = await down(server, meeting, bob.token, id);
  checkEqual(whole.status, 200, 'status');
  check(Buffer.from(await whole.arrayBuffer()).equals(sealed), 'other bytes came back');
  for (const [range, first, end] of [['bytes=0-0', 0, 1], ['bytes=100-199', 100, 200], ['bytes=2999990-', 2_999_990, 3_000_000], ['bytes=-5', 2_999_995, 3_000_000], ['bytes=5-99999999', 5, 3_000_000]]) {
    const part = await down(server, meeting, bob.token, id, { range });
    checkEqual([part.status, part.headers.get('content-range')], [206, `bytes ${first}-${end - 1}/3000000`], range);
    check(Buffer.from(await part.arrayBuffer()).equals(sealed.subarray(first, end)), `other bytes for ${range}`);
  }
  for (const range of ['bytes=3000000-', 'bytes=-0']) checkEqual((await down(server, meeting, bob.token, id, { range })).status, 416, range);
  for (const range of ['bytes=2-1', 'bytes=0-1,5-6', 'lines=1-2', 'bytes=7']) checkEqual((await down(server, meeting, bob.token, id, { range })).status, 200, range);
});

test('a file is taken back by the member who sent it, and by nobody else', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  const { id } = await (await up(server, meeting, ann.token, 'sealed')).json();
  const back = (token) => fetch(filesUrl(server, meeting, id), { method: 'DELETE', headers: bearer(token) });
  for (const token of ['', bob.token]) checkEqual((await back(token)).status, 404, 'status');
  checkEqual(kept(server), 1, 'files kept');
  checkEqual((await back(ann.token)).status, 204, 'status');
  checkEqual(kept(server), 0, 'files kept');
  checkEqual((await down(server, meeting, bob.token, id)).status, 404, 'status');
});

test('files are for members only, and gone after the meeting', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const elsewhere = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  const bob = await enter(t, server, meeting, 'Bob');
  const other = await enter(t, server, elsewhere, 'Other');
  const outsider = await server.token(`cm_${meeting.id}`, 'outsider');
  const { id } = await (await up(server, meeting, ann.token, 'sealed')).json();
  for (const token of ['', 'nonsense', outsider, other.token]) {
    checkEqual((await down(server, meeting, token, id)).status, 404, 'down');
    checkEqual((await up(server, meeting, token, 'x')).status, 404, 'up');
  }
  checkEqual((await down(server, elsewhere, other.token, id)).status, 404, 'through another meeting');
  checkEqual((await down(server, meeting, ann.token, '..%2f..%2fsecret')).status, 404, 'a path');
  await ann.do('remove', { identity: bob.identity });
  await until('Bob to be out', () => bob.ended);
  checkEqual((await down(server, meeting, bob.token, id)).status, 404, 'after being removed');
  checkEqual((await down(server, meeting, ann.token, id)).status, 200, 'a member');
  checkEqual(kept(server), 1, 'files');
  ann.tell({ op: 'leave' });
  await until('the file to be deleted', () => kept(server) === 0);
  checkEqual((await server.metrics()).conclave_meeting_files_bytes, 0, 'bytes of files');
});

test('files that a killed server left are deleted at the next start', async (t) => {
  const server = await startServer(t);
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  checkEqual((await up(server, meeting, ann.token, 'sealed')).status, 201, 'up');
  await server.stop('SIGKILL');
  checkEqual(kept(server), 1, 'files after the kill');
  await server.start();
  checkEqual(kept(server), 0, 'files after the start');
});

test('limits of files hold, without memory for them', async (t) => {
  const server = await startServer(t, { extraConfig: 'meeting:\n  file_len_max: 30000000\n  files_len_max: 50000000\n' });
  const meeting = await server.newMeeting();
  const ann = await enter(t, server, meeting, 'Ann', { host: true });
  checkEqual(ann.of('token')[0].number, 30_000_000, 'what clients are told');
  const before = rssBytes(server.pid);
  checkEqual((await up(server, meeting, ann.token, Buffer.alloc(30_000_000))).status, 201, 'the largest file');
  check(rssBytes(server.pid) - before < 8e6, `memory grew by ${rssBytes(server.pid) - before} bytes`);
  const refused = (len) => new Promise((resolve, reject) => {
    const request = http.request(filesUrl(server, meeting), { method: 'POST', headers: { ...bearer(ann.token), 'content-length': len } });
    request.on('response', (reply) => { resolve(reply.statusCode); request.destroy(); });
    request.on('error', reject);
    request.flushHeaders();
  });
  checkEqual(await refused(30_000_001), 413, 'a file that is too long');
  checkEqual(await refused(20_000_001), 429, 'more than a meeting may have');
  checkEqual((await up(server, meeting, ann.token, '')).status, 400, 'an empty file');
  checkEqual(kept(server), 1, 'files');
});
