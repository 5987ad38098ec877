// What docs/claims.md names has to be there.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, checkEqual, test } from '../lib/runner.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

test('every test that docs/claims.md names is there', async () => {
  const claims = fs.readFileSync(path.join(root, 'docs/claims.md'), 'utf8').replace(/\s+/g, ' ');
  const named = [...claims.matchAll(/“([^”]+)”/g)].map((match) => match[1]).filter((name) => name !== 'marks');
  const sources = ['tests', 'web/tests'].flatMap((folder) =>
    fs.readdirSync(path.join(root, folder), { recursive: true })
      .filter((name) => /\.(mjs|c|ts)$/.test(name) && !name.includes('node_modules'))
      .map((name) => fs.readFileSync(path.join(root, folder, name), 'utf8')));
  check(named.length > 40, `${named.length} names`);
  checkEqual(named.filter((name) => !sources.some((text) => text.includes(`'${name}'`) || text.includes(`${name}(`))), [], 'named and not there');
});
