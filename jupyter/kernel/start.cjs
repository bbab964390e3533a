// The notebooks' kernel: the checkout's own tslab with the repairs of tslab.cjs. Jupyter starts it in the notebook's
// folder; argument: the connection file.
'use strict';
const { existsSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..', '..');

if (!existsSync(path.join(ROOT, 'node_modules', 'tslab'))) {
  process.stderr.write(`mimicsr: the packages are not installed: run npm ci && npm run build in ${ROOT}\n`);
  process.exit(1);
}

// Data are looked for where the commands, run in the checkout, look for them, wherever the notebook lies.
process.env.MIMICSR_DATA ||= path.join(ROOT, 'data');

require('./tslab.cjs').startKernel(ROOT, process.argv[2]);
