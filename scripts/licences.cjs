// npm run licences: every package that an installation brings (development tools with --all), with its licence. Fails where one
// is not of the kinds below, which may all be used beside Apache-2.0 code; LGPL and MPL parts are used unchanged.
'use strict';
const { readFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.dirname(__dirname);
const ALLOWED = new Set([
  ...[
    'MIT',
    'MIT-0',
    'ISC',
    '0BSD',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'Apache-2.0',
    'BlueOak-1.0.0',
    'Unlicense',
  ],
  ...['LGPL-3.0-or-later', 'MPL-2.0', 'CC0-1.0', 'CC-BY-4.0', 'Python-2.0'],
]);

// Stated in its LICENSE file alone.
const IN_LICENSE_FILE = { 'typed-function': 'MIT' };

/** Of "A OR B" one must be allowed, of "A AND B" both. */
function isAllowed(licence) {
  const plain = licence.replace(/[()]/g, ' ').trim();
  const alternatives = plain.split(/\s+OR\s+/);
  return alternatives.some((one) => one.split(/\s+AND\s+/).every((name) => ALLOWED.has(name.trim())));
}

/** As the lock file says, else as the package itself does. */
function licenceOf(folder, name, entry) {
  const stated = entry.license ?? IN_LICENSE_FILE[name];
  if (stated !== undefined) return stated;
  try {
    return JSON.parse(readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8')).license ?? 'none stated';
  } catch {
    return 'none stated';
  }
}

const all = process.argv.includes('--all');
const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
const rows = Object.entries(packages)
  .filter(([folder, entry]) => folder.includes('node_modules/') && !entry.link && (all || !entry.dev))
  .map(([folder, entry]) => {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { name: `${name} ${entry.version}`, licence: licenceOf(folder, name, entry) };
  })
  .sort((a, b) => a.name.localeCompare(b.name));

for (const { name, licence } of rows) console.log(`${licence.padEnd(40)} ${name}`);
const refused = rows.filter(({ licence }) => !isAllowed(licence));
console.log(`\n${rows.length} packages`);
if (refused.length > 0) {
  console.error(`not allowed: ${refused.map(({ name, licence }) => `${name} (${licence})`).join(', ')}`);
  process.exitCode = 1;
}
