// npm run lab [-- ARGUMENTS OF JUPYTER]: JupyterLab, or the classic Notebook where there is no Lab, in notebooks/ with
// this checkout's kernel. Nothing is installed: JUPYTER_PATH points at jupyter/.
'use strict';
const { spawn, spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.dirname(__dirname);

const HOW = `Jupyter is not on the PATH. One of these brings it:
  pip install jupyterlab               (in a virtual environment, or with pipx)
  conda install jupyterlab
  apt-get install jupyter-notebook     (Debian, Ubuntu: the classic Notebook)`;

function main() {
  if (!existsSync(path.join(ROOT, 'dist', 'index.js'))) {
    throw new Error(`the kit is not built: run npm run build in ${ROOT}`);
  }
  const app = ['lab', 'notebook'].find((name) => spawnSync('jupyter', [name, '--version']).status === 0);
  if (app === undefined) throw new Error(HOW);
  const environment = {
    ...process.env,
    JUPYTER_PATH: [__dirname, process.env.JUPYTER_PATH].filter(Boolean).join(path.delimiter),
  };
  const folder = path.join(ROOT, 'notebooks');
  const jupyter = spawn('jupyter', [app, `--notebook-dir=${folder}`, ...process.argv.slice(2)], {
    env: environment,
    stdio: 'inherit',
  });
  // Ctrl-C reaches Jupyter too, which asks before it ends.
  process.on('SIGINT', () => undefined);
  jupyter.on('exit', (code) => (process.exitCode = code ?? 1));
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
