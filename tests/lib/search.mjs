// Looking for words and keys in bytes that are not ours: in every form in which they could lie there.
import fs from 'node:fs';

/** The three ways in which base64 can hold bytes within something longer; what depends on the neighbours is left out. */
function base64Forms(bytes) {
  const forms = [];
  for (const lead of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64').replace(/=+$/, '');
    const from = [0, 2, 3][lead];
    const usable = text.slice(from, text.length - ((lead + bytes.length) % 3 === 0 ? 0 : 1));
    forms.push(usable, usable.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms.map((form) => Buffer.from(form));
}

const hexForms = (bytes) => [Buffer.from(bytes.toString('hex')), Buffer.from(bytes.toString('hex').toUpperCase())];

/** [[name, Buffer]] of a text: UTF-8, UTF-16 of both orders, base64 and hex of each. */
export function formsOfText(text) {
  const utf8 = Buffer.from(text);
  const little = Buffer.from(text, 'utf16le');
  const big = Buffer.from(little).swap16();
  const all = [['UTF-8', utf8], ['UTF-16LE', little], ['UTF-16BE', big], ['escaped', Buffer.from(encodeURIComponent(text))]];
  for (const [name, bytes] of [['UTF-8', utf8], ['UTF-16LE', little]]) {
    for (const form of base64Forms(bytes)) all.push([`base64 of ${name}`, form]);
    for (const form of hexForms(bytes)) all.push([`hex of ${name}`, form]);
  }
  return all;
}

export function formsOfKey(bytes) {
  return [['raw', Buffer.from(bytes)], ...base64Forms(bytes).map((form) => ['base64', form]), ...hexForms(Buffer.from(bytes)).map((form) => ['hex', form])];
}

/** What to look for: [{what, form, bytes}]. `texts` and `keys` are {name: value}. */
export function needles({ texts = {}, keys = {} }) {
  const list = [];
  for (const [what, text] of Object.entries(texts)) for (const [form, bytes] of formsOfText(text)) list.push({ what, form, bytes });
  for (const [what, key] of Object.entries(keys)) for (const [form, bytes] of formsOfKey(key)) list.push({ what, form, bytes });
  return list;
}

/** Names of those that are in one of the chunks, each with its form. */
export function found(list, chunks) {
  const hits = new Set();
  for (const { what, form, bytes } of list) {
    if (chunks.some((chunk) => chunk.includes(bytes))) hits.add(`${what} (${form})`);
  }
  return [...hits];
}

const PAGE = 4096;

/** Runs of pages that are there (present or swapped out: bits 63 and 62 of /proc/PID/pagemap): [[page, count]]. */
function residentRuns(pagemap, first, pages) {
  const entries = Buffer.alloc(pages * 8);
  const got = fs.readSync(pagemap, entries, 0, entries.length, first * 8);
  const runs = [];
  for (let i = 0; i * 8 < got; i++) {
    if (entries[i * 8 + 7] < 0x40) continue;
    const last = runs.at(-1);
    if (last && last[0] + last[1] === first + i) last[1]++;
    else runs.push([first + i, 1]);
  }
  return runs;
}

/** The memory that a process can write to, read while it runs; pages never touched are left out. Needs root. */
export function memoryOf(pid) {
  const chunks = [];
  const memory = fs.openSync(`/proc/${pid}/mem`, 'r');
  const pagemap = fs.openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = line.match(/^([0-9a-f]+)-([0-9a-f]+) (....)/);
      if (!match || !match[3].startsWith('rw')) continue;
      const first = Number(BigInt(`0x${match[1]}`) / BigInt(PAGE));
      const pages = Number(BigInt(`0x${match[2]}`) / BigInt(PAGE)) - first;
      for (const [page, count] of residentRuns(pagemap, first, pages)) {
        const bytes = Buffer.alloc(count * PAGE);
        try {
          fs.readSync(memory, bytes, 0, bytes.length, BigInt(page) * BigInt(PAGE));
          chunks.push(bytes);
        } catch {
          // given back meanwhile
        }
      }
    }
  } finally {
    fs.closeSync(memory);
    fs.closeSync(pagemap);
  }
  return chunks;
}

/** Every file below a folder: [{name, bytes}]. */
export function filesOf(dir) {
  return fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => ({ name: `${entry.parentPath ?? entry.path}/${entry.name}`, bytes: fs.readFileSync(`${entry.parentPath ?? entry.path}/${entry.name}`) }));
}
