// Where a proof leaves what it saw: build/prove/<number>-<name>/, made anew by each run.
import fs from 'node:fs';
import path from 'node:path';
import { binary } from '../lib/server.mjs';

const root = path.resolve(path.dirname(binary), '../../prove');
const made = new Set();

/** Long sizes (`make prove`) or those of `make test`. */
export const LONG = process.env.PROVE === 'long';

export function evidence(folder) {
  const dir = path.join(root, folder);
  if (!made.has(folder)) {
    made.add(folder);
    fs.rmSync(dir, { recursive: true, force: true });
  }
  fs.mkdirSync(dir, { recursive: true });
  return {
    dir,
    file: (name) => path.join(dir, name),
    write: (name, content) => fs.writeFileSync(path.join(dir, name), content),
    add: (name, line) => fs.appendFileSync(path.join(dir, name), `${typeof line === 'string' ? line : JSON.stringify(line)}\n`),
  };
}
