/** The notebooks' kernel over Jupyter's own protocol, as a front end sees it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/util/versions';
import { KernelClient, type Outcome } from './client';

const text = ({ outputs }: Outcome): string =>
  outputs
    .filter((m) => m.type === 'stream')
    .map((m) => m.content.text as string)
    .join('');
const error = ({ outputs }: Outcome): Record<string, unknown> | undefined =>
  outputs.find((m) => m.type === 'error')?.content;

describe.skipIf(!existsSync(join(PACKAGE_ROOT, 'dist', 'index.js')))('the kernel (npm run build)', () => {
  // Not in the checkout: where a user keeps notebooks of their own.
  const folder = mkdtempSync(join(tmpdir(), 'notebook-'));
  let client: KernelClient;
  beforeAll(async () => {
    client = await KernelClient.start(folder);
  });
  afterAll(async () => {
    if (client.kernel.exitCode === null) await client.shutdown();
    rmSync(folder, { recursive: true });
  });

  it('imports the kit by name, with types, and keeps what cells declare', async () => {
    const first = await client.run(
      "import * as mimicsr from 'mimicsr';\nconst image = mimicsr.blankImage(6, 4);",
    );
    expect(error(first)).toBeUndefined();
    expect(first.outputs[0]).toMatchObject({ type: 'execute_input', content: { execution_count: 1 } });
    expect(text(await client.run('image.width * image.height'))).toBe('24\n');
    const wrong = await client.run('const size: string = image.width;');
    expect(wrong.reply.status).toBe('error');
    expect(error(wrong)?.evalue).toMatch(/Type 'number' is not assignable to type 'string'/);
  });

  it("knows Node's types", async () => {
    const wrong = await client.run(
      "import { join } from 'node:path';\nconst folder: number = join('a', 'b');",
    );
    expect(error(wrong)?.evalue).toMatch(/Type 'string' is not assignable to type 'number'/);
    expect(text(await client.run("Buffer.from('abc').length"))).toBe('3\n');
  });

  it("reports an error by name: the kit's own in one line, others with a few lines of stack", async () => {
    const input = await client.run("mimicsr.createNetwork('swinirr' as any)");
    expect(error(input)).toMatchObject({ ename: 'InputError' });
    expect(error(input)?.traceback).toHaveLength(1);
    const other = await client.run('const f = () => { throw new TypeError("broken"); };\nf();');
    expect(error(other)).toMatchObject({ ename: 'TypeError', evalue: 'broken' });
    const traceback = error(other)?.traceback as string[];
    expect(traceback.join('\n')).toMatch(/cell/);
    expect(traceback.length).toBeLessThan(6);
  });

  it('after an error drops the cells that wait, unless errors are allowed', async () => {
    for (const [allowErrors, status] of [
      [false, 'aborted'],
      [true, 'ok'],
    ] as const) {
      const ids = [
        await client.submit('throw new Error("x")', { allowErrors }),
        await client.submit('1 + 1'),
      ];
      const replies = await Promise.all(ids.map((id) => client.outcome(id)));
      expect(replies.map(({ reply }) => reply.status)).toEqual(['error', status]);
    }
  });

  it('takes every form of top-level await', async () => {
    const cell = 'const two = await (async () => 2)();\nfor await (const x of [3]) console.log(two + x);';
    expect(text(await client.run(cell))).toBe('5\n');
  });

  it('shows a value in the forms that it offers', async () => {
    const bundle = `{ 'text/html': '<b>7</b>', 'text/plain': '7' }`;
    const shown = await client.run(`({ [Symbol.for('Jupyter.display')]: async () => (${bundle}) })`);
    expect(shown.outputs[1]).toMatchObject({
      type: 'display_data',
      content: { data: { 'text/html': '<b>7</b>', 'text/plain': '7' } },
    });
  });

  it('interrupts a cell, and lives on', async () => {
    const waiting = await client.submit('await new Promise(() => undefined)');
    await client.until((m) => m.parent === waiting && m.type === 'execute_input');
    await new Promise((resolve) => setTimeout(resolve, 500));
    client.interrupt();
    expect(error(await client.outcome(waiting))).toMatchObject({ ename: 'Interrupted' });
    expect(text(await client.run('1 + 1'))).toBe('2\n');
  });

  it('leaves an interrupt to code that took the signal', async () => {
    const cell =
      'const stop = (globalThis as any).mimicsrKernel.takeSignal() as AbortSignal;\n' +
      'console.log("ready");\n' +
      'await new Promise((resolve) => stop.addEventListener("abort", resolve));\n' +
      'console.log("checkpoint");';
    const id = await client.submit(cell);
    await client.until((m) => m.parent === id && m.type === 'stream');
    client.interrupt();
    const outcome = await client.outcome(id);
    expect(outcome.reply.status).toBe('ok');
    expect(text(outcome)).toMatch(/checkpoint/);
  });

  it('answers comm_info requests, and leaves at once on shutdown, whatever timers are open', async () => {
    const id = await client.send('shell', 'comm_info_request', {});
    expect(
      (await client.until((m) => m.parent === id && m.type === 'comm_info_reply'))?.content,
    ).toMatchObject({
      comms: {},
    });
    await client.run('setInterval(() => undefined, 1000); 0');
    const { code, milliseconds } = await client.shutdown();
    expect(code).toBe(0);
    expect(milliseconds).toBeLessThan(2000);
  });

  it('says what to run where the kit is not built', async () => {
    const checkout = mkdtempSync(join(tmpdir(), 'unbuilt-'));
    cpSync(join(PACKAGE_ROOT, 'package.json'), join(checkout, 'package.json'));
    cpSync(join(PACKAGE_ROOT, 'jupyter'), join(checkout, 'jupyter'), { recursive: true });
    symlinkSync(join(PACKAGE_ROOT, 'node_modules'), join(checkout, 'node_modules'));
    mkdirSync(join(checkout, 'notebooks'));
    const unbuilt = await KernelClient.start(join(checkout, 'notebooks'), checkout);
    const outcome = await unbuilt.run("import * as mimicsr from 'mimicsr';");
    await unbuilt.shutdown();
    rmSync(checkout, { recursive: true });
    expect(error(outcome)?.evalue).toMatch(/the kit is not built: run npm run build in .*unbuilt-/);
  });
});
