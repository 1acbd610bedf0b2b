// @ts-check
// The licences of every npm package in the lock files. None of these packages is part of gemma-web, which depends on nothing, but what
// builds and tests it should be as free to use.
//
//   node www/tools/licences.mjs www/package-lock.json …

import { readFileSync } from 'node:fs';

const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC-BY-3.0', 'CC-BY-4.0', 'CC0-1.0', 'ISC', 'LGPL-3.0-or-later', 'MIT', 'MPL-2.0', 'Python-2.0', 'Unlicense', 'Zlib'];

/**
 * Whether the listed licences meet an SPDX expression: one of those joined by OR, all of those joined by AND.
 * @param {string} expression
 */
const isAllowed = (expression) =>
  expression
    .replaceAll(/[()]/g, '')
    .split(/ OR /)
    .some((choice) => choice.split(/ AND /).every((licence) => ALLOWED.includes(licence.trim())));

let [packages, refused] = [0, 0];
for (const file of process.argv.slice(2)) {
  /** @type {{ packages: Record<string, { license?: string, link?: boolean, version?: string }> }} */
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  for (const [path, { license = 'none', link, version }] of Object.entries(lock.packages)) {
    if (!path.includes('node_modules/') || link) continue;
    packages += 1;
    if (isAllowed(license)) continue;
    refused += 1;
    console.error(`${file}: ${path} ${version}: ${license}`);
  }
}
console.log(`${packages} packages of ${process.argv.length - 2} lock files, ${refused} with a licence that is not on the list of www/tools/licences.mjs`);
process.exitCode = refused > 0 || packages === 0 ? 1 : 0;
