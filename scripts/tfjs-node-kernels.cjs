// node scripts/tfjs-node-kernels.cjs: writes test/engine/tfjs-node-kernels.json, the kernels that the published
// @tensorflow/tfjs-node registers, read from its sources: the package itself fetches a large binary when it is installed.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const PACKAGE = '@tensorflow/tfjs-node@4.22.0';
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tfjs-node-'));
try {
  const archive = execFileSync('npm', ['pack', PACKAGE, '--silent'], {
    cwd: folder,
    encoding: 'utf8',
  }).trim();
  execFileSync('tar', ['xzf', archive], { cwd: folder });
  const kernels = path.join(folder, 'package/dist/kernels');
  const names = fs
    .readdirSync(kernels)
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => fs.readFileSync(path.join(kernels, file), 'utf8').match(/kernelName: [\w.']+/g) ?? [])
    .map((entry) => entry.replace(/.*[ .]|'/g, ''));
  const list = { package: PACKAGE, kernels: [...new Set(names)].sort() };
  const target = path.resolve(__dirname, '../test/engine/tfjs-node-kernels.json');
  fs.writeFileSync(target, `${JSON.stringify(list, undefined, 2)}\n`);
} finally {
  fs.rmSync(folder, { recursive: true });
}
