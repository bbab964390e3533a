/**
 * npm run e2e:notebook [-- FOLDER]: a notebook as its user has it. Starts a real Jupyter (the classic Notebook) with this
 * checkout's kernel, opens a copy of `lambda.ipynb` in a headless Chromium, sets the smallest profile, runs the cells, adds a
 * value of lambda and runs them again. Fails where the table or the interactive chart is not what was asked for, or a cell
 * shows an error. Screenshots go to FOLDER (default: test/e2e/screenshots), times to standard output.
 *
 * Needed: Jupyter's Notebook and Chromium (apt-get install jupyter-notebook chromium; MIMICSR_CHROMIUM: another browser's path).
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Page } from 'playwright-core';
import { InputError } from '../../src/util/errors';
import { PACKAGE_ROOT } from '../../src/util/versions';

const SCREENSHOTS = resolve(process.argv[2] ?? join(__dirname, 'screenshots'));
/** The longest that a cell may take: two trainings of the smallest profile. */
const CELL_MS = 300_000;

interface Jupyter {
  readonly process: ChildProcess;
  readonly address: string;
}

/** Starts Jupyter on a folder and waits for its address. */
async function startJupyter(folder: string): Promise<Jupyter> {
  const env = {
    ...process.env,
    JUPYTER_PATH: [join(PACKAGE_ROOT, 'jupyter'), process.env.JUPYTER_PATH].filter(Boolean).join(delimiter),
    JUPYTER_CONFIG_DIR: join(folder, 'config'),
    JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
    MIMICSR_RUNS: join(folder, 'runs'),
    MIMICSR_RESULTS: join(folder, 'results'),
  };
  const options = ['--no-browser', '--allow-root', `--notebook-dir=${folder}`];
  const jupyter = spawn('jupyter', ['notebook', ...options], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: jupyter.stderr })) {
    const address = /http:\/\/127\.0\.0\.1:\d+\/\?token=\w+/.exec(line)?.[0];
    if (address !== undefined) return { process: jupyter, address };
  }
  throw new Error('Jupyter ended before it had an address');
}

/** The notebook's page in the classic front end. */
class NotebookPage {
  constructor(readonly page: Page) {}

  /** Numbers are those of code cells. */
  private cell(number: number): ReturnType<Page['locator']> {
    return this.page.locator('.code_cell').nth(number);
  }

  outputs(number: number): ReturnType<Page['locator']> {
    return this.cell(number).locator('.output');
  }

  /** Types over a cell's text. */
  async write(number: number, text: string): Promise<void> {
    await this.cell(number).locator('.CodeMirror').click();
    await this.page.keyboard.press('Control+A');
    // As a paste: typed character by character the editor would close brackets by itself.
    await this.page.keyboard.insertText(text);
  }

  async text(number: number): Promise<string> {
    return this.cell(number)
      .locator('.CodeMirror')
      .evaluate((editor) =>
        (editor as unknown as { CodeMirror: { getValue(): string } }).CodeMirror.getValue(),
      );
  }

  /** Runs a cell by its keys and waits for its end, which its number shows: no two runs have the same. @returns milliseconds */
  async run(number: number): Promise<number> {
    const prompt = this.cell(number).locator('.input_prompt');
    const before = await prompt.innerText();
    await this.cell(number).locator('.CodeMirror').click();
    const began = performance.now();
    await this.page.keyboard.press('Control+Enter');
    for (let now = before; now === before || !/\[\d+\]/.test(now); now = await prompt.innerText()) {
      if (performance.now() - began > CELL_MS)
        throw new Error(`cell ${number + 1} takes more than ${CELL_MS} ms`);
      await this.page.waitForTimeout(20);
    }
    const took = performance.now() - began;
    const errors = await this.cell(number).locator('.output_error, .output_stderr').allInnerTexts();
    if (errors.length > 0) throw new Error(`cell ${number + 1}: ${errors.join('\n')}`);
    return took;
  }

  async screenshot(name: string): Promise<void> {
    await this.page.waitForTimeout(500); // Plotly draws its last frame
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }
}

/** A notebook as nobody has run it: a kept cell number could be that of the first run here. */
function withoutOutputs(path: string): string {
  const notebook = JSON.parse(readFileSync(path, 'utf8')) as { cells: { cell_type: string }[] };
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === 'code' ? { ...cell, outputs: [], execution_count: null } : cell,
  );
  return JSON.stringify({ ...notebook, cells });
}

function expect(what: string, found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new Error(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
}

const [SETUP, PARAMETERS, TABLE, CHART] = [0, 1, 2, 3];

/** Runs table and chart, and looks at them. */
async function tableAndChart(notebook: NotebookPage, lambdas: readonly number[]): Promise<number> {
  await notebook.run(PARAMETERS);
  const took = await notebook.run(TABLE);
  const rows = await notebook.outputs(TABLE).locator('table tbody tr').allInnerTexts();
  expect(
    'rows of the table',
    rows.map((row) => /lambda ([\d.]+)/.exec(row)?.[1]),
    lambdas.map(String),
  );
  await notebook.run(CHART);
  const chart = notebook.outputs(CHART).locator('.js-plotly-plot');
  await chart.waitFor();
  const points = await chart.locator('.scatterlayer .point').count();
  expect('points of the interactive chart', points, lambdas.length);
  await chart.locator('.scatterlayer .point').last().hover({ force: true });
  await chart.locator('.hoverlayer .hovertext').first().waitFor();
  return took;
}

async function main(): Promise<void> {
  if (spawnSync('jupyter', ['notebook', '--version']).status !== 0) {
    throw new InputError(
      'jupyter notebook is missing: apt-get install jupyter-notebook, or pip install "notebook<7"',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  mkdirSync(SCREENSHOTS, { recursive: true });
  writeFileSync(
    join(folder, 'lambda.ipynb'),
    withoutOutputs(join(PACKAGE_ROOT, 'notebooks', 'lambda.ipynb')),
  );
  const jupyter = await startJupyter(folder);
  const browser = await chromium.launch({
    executablePath: process.env.MIMICSR_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  const say = (text: string, milliseconds: number): void =>
    void process.stdout.write(`${text}: ${(milliseconds / 1000).toFixed(2)} s\n`);
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1500 } });
    await page.goto(jupyter.address.replace('/?', '/notebooks/lambda.ipynb?'));
    await page.waitForSelector('.code_cell');
    await page.waitForSelector('#kernel_indicator_icon.kernel_idle_icon', { timeout: 60_000 });
    const notebook = new NotebookPage(page);

    say('kit imported, engine started, first cell done', await notebook.run(SETUP));
    const cell = (await notebook.text(PARAMETERS)).replace("profile: 'mini'", "profile: 'smoke'");
    const withLambdas = (lambdas: readonly number[]): string =>
      cell.replace(/lambdas: \[.*\]/, `lambdas: ${JSON.stringify(lambdas)}`);
    await notebook.write(PARAMETERS, withLambdas([0.01]));
    say('one lambda trained and scored', await tableAndChart(notebook, [0.01]));
    await notebook.screenshot('lambda-one');
    await notebook.write(PARAMETERS, withLambdas([0.01, 1]));
    say('another trained beside it', await tableAndChart(notebook, [0.01, 1]));
    await notebook.screenshot('lambda-two');
    say('the same table from the results', await tableAndChart(notebook, [0.01, 1]));
  } finally {
    await browser.close();
    jupyter.process.kill('SIGINT');
    jupyter.process.kill('SIGTERM');
    await new Promise((done) => jupyter.process.once('exit', done));
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof InputError ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = 1;
});
