import { createRequire } from 'node:module';
import type * as TypeScript from 'typescript';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../src/util/versions';

const require = createRequire(join(PACKAGE_ROOT, 'package.json'));

/** A notebook cell, as tslab sees it. */
const CELL = `
import * as mimicsr from "mimicsr";
const image: mimicsr.Image = mimicsr.imresize(mimicsr.blankImage(64, 48), 0.25);
const floats: Float32Array = image.data;
const set: mimicsr.PairSet = mimicsr.cameraPairs(mimicsr.scenePhotos(2, 0), "aligned", 1);
const y: mimicsr.tf.Tensor4D = mimicsr.createNetwork("seemore").forward(mimicsr.tf.zeros([1, 32, 32, 3]));
const wrong: number = mimicsr.psnr;
`;

describe.skipIf(!existsSync(join(PACKAGE_ROOT, 'dist', 'index.js')))('the built kit (npm run build)', () => {
  it('is imported by name', () => {
    const kit = require('mimicsr') as Record<string, unknown>;
    expect(typeof kit.train).toBe('function');
    expect(typeof kit.startEngine).toBe('function');
  });

  it("has declarations that tslab's TypeScript 5.0 reads: right cells pass, wrong ones are caught", () => {
    const tslab = createRequire(require.resolve('tslab/package.json'));
    const ts = tslab('@tslab/typescript-for-tslab') as typeof TypeScript;
    expect(ts.version).toMatch(/^5\.0\./);
    // tslab's own settings for a cell in notebooks/.
    const options: TypeScript.CompilerOptions = {
      module: ts.ModuleKind.ES2022,
      target: ts.ScriptTarget.ES2022,
      moduleResolution: 2, // Node10
      esModuleInterop: true,
      noEmit: true,
      lib: ['lib.es2022.d.ts'],
      types: ['node'],
    };
    const file = join(PACKAGE_ROOT, 'notebooks', '__cell__.ts');
    const host = ts.createCompilerHost(options);
    const withCell: TypeScript.CompilerHost = {
      ...host,
      fileExists: (name) => name === file || host.fileExists(name),
      readFile: (name) => (name === file ? CELL : host.readFile(name)),
      getSourceFile: (name, ...rest) =>
        name === file
          ? ts.createSourceFile(name, CELL, ts.ScriptTarget.ES2022)
          : host.getSourceFile(name, ...rest),
    };
    const program = ts.createProgram([file], options, withCell);
    const faults = ts
      .getPreEmitDiagnostics(program)
      .filter((d) => d.file === undefined || !d.file.fileName.includes('/node_modules/'))
      .map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n').split('\n')[0]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/is not assignable to type 'number'/);
  });
});
