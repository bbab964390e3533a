// npm run jupyter:install [-- --prefix DIR]: makes this checkout's kernel known to Jupyter, for the user or in an
// environment's prefix; npm run jupyter:uninstall [-- --prefix DIR] takes it away again. `npm run lab` needs neither.
'use strict';
const { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { homedir } = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const NAME = 'mimicsr';
const START = path.join(__dirname, 'kernel', 'start.cjs');

/** Where Jupyter looks for what a user installed, by its own rules. */
function userFolder() {
  if (process.env.JUPYTER_DATA_DIR) return process.env.JUPYTER_DATA_DIR;
  if (process.platform === 'darwin') return path.join(homedir(), 'Library', 'Jupyter');
  if (process.platform === 'win32') return path.join(process.env.APPDATA ?? homedir(), 'jupyter');
  return path.join(process.env.XDG_DATA_HOME || path.join(homedir(), '.local', 'share'), 'jupyter');
}

function install(file) {
  const spec = JSON.parse(readFileSync(path.join(__dirname, 'kernels', NAME, 'kernel.json'), 'utf8'));
  mkdirSync(path.dirname(file), { recursive: true });
  const argv = [process.execPath, START, '{connection_file}'];
  writeFileSync(file, `${JSON.stringify({ ...spec, argv }, undefined, 2)}\n`);
  console.log(`kernel '${NAME}' of ${path.dirname(__dirname)} is in ${path.dirname(file)}`);
}

function uninstall(file) {
  if (!existsSync(file)) {
    console.log(`no kernel '${NAME}' in ${path.dirname(file)}`);
    return;
  }
  rmSync(path.dirname(file), { recursive: true });
  console.log(`kernel '${NAME}' is gone from ${path.dirname(file)}`);
}

const USAGE = `npm run jupyter:install [-- --prefix DIR]     (npm run jupyter:uninstall takes it away)

Without --prefix the kernel is installed for the user; with it in DIR/share/jupyter, an environment's prefix:
  npm run jupyter:install -- --prefix "$VIRTUAL_ENV"`;

try {
  const { values } = parseArgs({
    options: {
      prefix: { type: 'string' },
      uninstall: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) console.log(USAGE);
  else {
    const folder =
      values.prefix === undefined ? userFolder() : path.join(path.resolve(values.prefix), 'share', 'jupyter');
    (values.uninstall ? uninstall : install)(path.join(folder, 'kernels', NAME, 'kernel.json'));
  }
} catch (error) {
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 1;
}
