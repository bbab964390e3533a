// Lets Node run the kit's TypeScript as it stands, in a process and in its worker threads:
// `node -r ./bench/register.cjs bench/main.ts`. What was compiled once is kept in node_modules/.cache.
'use strict';
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const CACHE = path.join(__dirname, '../node_modules/.cache/mimicsr');

require.extensions['.ts'] = (module, file) => {
  const source = fs.readFileSync(file, 'utf8');
  const key = createHash('sha256').update(`${__filename}\0${file}\0${source}`).digest('hex');
  const kept = path.join(CACHE, `${key}.js`);
  if (!fs.existsSync(kept)) {
    const temporary = `${kept}.${process.pid}.${Math.random()}`;
    fs.mkdirSync(CACHE, { recursive: true });
    fs.writeFileSync(temporary, compile(file, source));
    fs.renameSync(temporary, kept);
  }
  module._compile(fs.readFileSync(kept, 'utf8'), file);
};

function compile(file, source) {
  const ts = require('typescript'); // here and not above: loading it takes longer than all else
  return ts.transpileModule(source, {
    fileName: file,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      inlineSourceMap: true,
    },
  }).outputText;
}
