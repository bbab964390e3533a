// npm run build:torch: builds the torch engine's addon against the libtorch that is on this machine.
//
// The new addon is loaded once in a process of its own before it replaces the previous one, so a failed build, or one
// that does not load, leaves a working engine as it was. Nothing is downloaded: Node's headers are taken from npm's
// `nodedir` setting, or from beside the running Node.
//
// With --optional: nothing is done where the addon is newer than its sources, and a machine without libtorch is told so
// and goes on (exit 0): the other engines need no building.
'use strict';
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { findLibtorch } = require('../native/libtorch.cjs');

const native = path.resolve(__dirname, '../native');
const built = path.join(native, 'build', 'Release', 'mimicsr_torch.node');
const installed = path.join(native, 'build', 'mimicsr_torch.node');

const optional = process.argv.includes('--optional');

function fail(message) {
  process.stderr.write(`${message}\n`);
  if (fs.existsSync(installed)) process.stderr.write('The addon that was built before is still in place.\n');
  else if (optional) process.stderr.write('Going on without the torch engine.\n');
  process.exit(optional ? 0 : 1);
}

/** True where the addon that is in place was built after every source was last changed. */
function upToDate() {
  if (!fs.existsSync(installed)) return false;
  const built = fs.statSync(installed).mtimeMs;
  const sources = fs
    .readdirSync(native, { recursive: true })
    .filter((name) => /\.(cc|h|gyp|cjs)$/.test(name));
  return sources.every((name) => fs.statSync(path.join(native, name)).mtimeMs < built);
}

if (optional && upToDate()) process.exit(0);

/** A folder with include/node/node_api.h, or undefined: node-gyp then downloads headers, as it does by default. */
function nodeFolder() {
  const candidates = [process.env.npm_config_nodedir, path.resolve(process.execPath, '../..')];
  return candidates.find((folder) => folder && fs.existsSync(path.join(folder, 'include/node/node_api.h')));
}

const { found, tried } = findLibtorch();
if (found === undefined) {
  fail(
    [
      'No usable libtorch was found:',
      ...tried.map((line) => `  ${line}`),
      'Install one of: `apt-get install libtorch-dev` (Debian, Ubuntu), `pip install torch`, or a libtorch folder',
      'from pytorch.org named in MIMICSR_LIBTORCH; then run `npm run build:torch` again.',
    ].join('\n'),
  );
}
process.stdout.write(`Building against libtorch ${found.version} from ${found.from}\n`);

const gyp = require.resolve('node-gyp/bin/node-gyp.js');
const nodedir = nodeFolder();
const options = ['configure', 'build', `--jobs=${os.availableParallelism()}`, '--loglevel=error'];
const build = spawnSync(process.execPath, [gyp, ...options, ...(nodedir ? [`--nodedir=${nodedir}`] : [])], {
  cwd: native,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, MIMICSR_LIBTORCH_FOUND: JSON.stringify(found) },
});
if (build.status !== 0)
  fail('The build failed; the compiler says why above. It needs g++ (C++17), make and python3.');

const trial = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(built)}).start('cpu', 1)`], {
  encoding: 'utf8',
});
if (trial.status !== 0) fail(`The addon was built but does not load:\n${trial.stderr}`);

const next = `${installed}.${process.pid}.tmp`;
fs.copyFileSync(built, next);
fs.renameSync(next, installed);
fs.writeFileSync(
  path.join(native, 'build', 'mimicsr_torch.json'),
  `${JSON.stringify({ libtorch: found.version, from: found.from, lib: found.lib }, null, 2)}\n`,
);
process.stdout.write(`Built ${path.relative(process.cwd(), installed)}\n`);
