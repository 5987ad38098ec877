// The table of claims from what a run of the proofs wrote to RESULTS; exit status 1 when one failed or is missing.
import fs from 'node:fs';
import path from 'node:path';

export const PROOFS = {
  1: ['1-what-the-server-sees', 'The server sees no sound, picture, word, file or name, and no key'],
  2: ['2-who-left-who-came', 'Who was removed reads nothing later, who came reads nothing earlier'],
  3: ['3-malicious-server', 'A malicious server is refused, or seen'],
  4: ['4-every-frame', 'No block and no nonce twice; each frame says what the screen says'],
  5: ['5-whom-it-talks-to', 'The browser talks to the server alone'],
};

function main(results, folder) {
  const lines = fs.readFileSync(results, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  let failed = 0;
  for (const [number, [name, title]] of Object.entries(PROOFS)) {
    const claims = lines.filter((line) => line.name.startsWith(`prove: ${number} `));
    const good = claims.length > 0 && claims.every((line) => line.ok);
    if (!good) failed++;
    console.log(`\n${good ? 'PASS' : 'FAIL'}  ${number}. ${title}   (${path.join(folder, name)})`);
    if (claims.length === 0) console.log('      FAIL  nothing was run');
    for (const line of claims) {
      console.log(`      ${line.ok ? 'pass' : 'FAIL'}  ${line.name.replace(/^prove: \d /, '')}`);
      if (!line.ok) console.log(`            ${line.why.split('\n')[0]}`);
    }
  }
  console.log(`\n${Object.keys(PROOFS).length - failed} of ${Object.keys(PROOFS).length} proofs hold`);
  process.exit(failed === 0 ? 0 : 1);
}

if (process.argv[2]) main(process.argv[2], process.argv[3]);
