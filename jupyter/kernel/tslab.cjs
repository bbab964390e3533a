// tslab 1.0.22 as the notebooks need it, repaired from outside. What it lacks, and gets here:
//
//   - `error` messages with name, message and a short traceback; `execute_input`; "aborted"; --allow-errors
//   - one output in several MIME types with metadata, a last expression that shows itself (Symbol "Jupyter.display")
//   - top-level `await (…)`, `await […]` and `for await`
//   - interrupts that running code can answer (an AbortSignal), leaving at once on shutdown
//   - `import … from 'mimicsr'` in every folder; a sentence where the kit is not built
//   - right answers to comm_info and history requests
//
// The library finds it as `globalThis.mimicsrKernel` (src/notebook/kernel.ts).
'use strict';
const { existsSync } = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { format } = require('node:util');
const vm = require('node:vm');

const VERSION = '1.0.22';
const DISPLAY = Symbol.for('Jupyter.display');

/**
 * @param {string} root the checkout
 * @param {string} configPath Jupyter's connection file
 */
function startKernel(root, configPath) {
  const require = Module.createRequire(path.join(root, 'package.json'));
  const { version } = require('tslab/package.json');
  if (version !== VERSION) {
    process.stderr.write(
      `mimicsr: tslab is ${version}, not ${VERSION}: npm ci in ${root} brings the right one\n`,
    );
    process.exit(1);
  }
  setCompilerOptions(require, root);
  resolveKitEverywhere(root);
  const jupyter = require('tslab/dist/jupyter');
  const cells = new Cells(root);
  keepInterruptHandlers();
  repairExecution(jupyter, require('tslab/dist/util'), cells);
  repairMessages(jupyter, cells);

  globalThis.mimicsrKernel = {
    show: (data, { id, update = false, metadata = {} } = {}) =>
      jupyter.lastWriteDisplayData?.({ data, metadata, transient: id ? { display_id: id } : {} }, update),
    takeSignal: () => cells.takeSignal(),
  };

  // tslab prints a cell's value and its failure with the console methods that it finds here.
  const { log, error } = console;
  console.log = (value, ...rest) => cells.printValue(value, () => log(value, ...rest));
  console.error = (first, ...rest) => cells.failures.push(rest.length > 0 ? format(first, ...rest) : first);
  const before = process.listeners('SIGINT');
  require('tslab/dist/main').startKernel({
    configPath,
    enableFindLocal: false,
    jsKernel: false,
    globalVersion: '',
  });
  Object.assign(console, { log, error });

  const [interruptTslab] = process.listeners('SIGINT').filter((listener) => !before.includes(listener));
  process.off('SIGINT', interruptTslab);
  process.on('SIGINT', () => cells.interrupt(interruptTslab));
}

/** The state of the cell that runs. */
class Cells {
  constructor(root) {
    this.root = root;
    /** What the cell failed with: errors thrown, or lines of the compiler. */
    this.failures = [];
    /** Values that are still on their way to the front end. */
    this.shown = [];
    this.running = false;
    /** A cell has failed just now: those that wait behind it are dropped. */
    this.dropping = false;
    this.stop = new AbortController();
    this.signalTaken = false;
  }

  begin() {
    this.failures = [];
    this.shown = [];
    this.running = true;
    this.stop = new AbortController();
    this.signalTaken = false;
  }

  /** A signal that fires when the cell is interrupted; whoever takes it ends the cell's work by itself. */
  takeSignal() {
    this.signalTaken = true;
    return this.stop.signal;
  }

  /** The first interrupt is left to code that took the signal; without such, and the second time, the cell fails. */
  interrupt(failCell) {
    const again = this.stop.signal.aborted;
    this.stop.abort();
    if (again || !this.signalTaken) failCell();
  }

  printValue(value, print) {
    const display = value?.[DISPLAY];
    if (typeof display !== 'function') return print();
    this.shown.push(
      Promise.resolve(display.call(value)).then((data) => globalThis.mimicsrKernel.show(data), console.error),
    );
  }

  /** Code to run instead where the cell cannot run for a reason that the compiler would put less clearly. */
  obstacle(code) {
    if (!/['"]mimicsr(\/|['"])/.test(code) || existsSync(path.join(this.root, 'dist', 'index.js')))
      return undefined;
    const sentence = `the kit is not built: run npm run build in ${this.root}, then this cell again`;
    return `throw Object.assign(new Error(${JSON.stringify(sentence)}), { name: 'InputError' })`;
  }
}

/** tslab reads no tsconfig.json: the cells' compiler gets its options here, before tslab loads it. */
function setCompilerOptions(require, root) {
  const tslabRequire = Module.createRequire(require.resolve('tslab/package.json'));
  const file = tslabRequire.resolve('@tslab/typescript-for-tslab');
  const ts = tslabRequire(file);
  const facade = path.join(root, 'vendor', 'mimicsr');
  const added = {
    lib: ['lib.es2023.d.ts'],
    typeRoots: [path.join(root, 'node_modules', '@types')],
    types: ['node'],
    paths: { mimicsr: [path.join(facade, 'index.d.ts')], 'mimicsr/*': [path.join(facade, '*')] },
  };
  tslabRequire.cache[file].exports = {
    ...ts,
    createWatchCompilerHost: (files, options, sys, ...rest) =>
      ts.createWatchCompilerHost(files, { ...options, ...added }, withoutComments(sys), ...rest),
  };
}

/**
 * Declarations of packages are read without their comments, two thirds of their text: a good half second of the kernel's
 * start. The kit's own keep them, for what the front end shows about a name.
 */
function withoutComments(sys) {
  const { readFile } = sys;
  sys.readFile = (file, ...rest) => {
    const text = readFile(file, ...rest);
    const ofPackage = file.includes('/node_modules/') && file.endsWith('.d.ts');
    return ofPackage ? text?.replace(/\/\*\*[^]*?\*\//g, '') : text;
  };
  return sys;
}

/**
 * tslab runs a cell so that an interrupt breaks it off, for which Node takes the handlers of SIGINT away until the cell
 * has returned; a signal just before or after kills the kernel. A cell that awaits returns at its first await and is
 * interrupted by handlers alone: it keeps them all along.
 */
function keepInterruptHandlers() {
  const { runInThisContext } = vm;
  vm.runInThisContext = (code, options) =>
    runInThisContext(
      code,
      code.startsWith('(async function') ? { ...options, breakOnSigint: false } : options,
    );
}

/** `require('mimicsr')` from a notebook outside the checkout. */
function resolveKitEverywhere(root) {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, isMain, options) {
    const ours = /^mimicsr(\/|$)/.test(request);
    return resolve.call(this, request, parent, isMain, ours ? { ...options, paths: [root] } : options);
  };
}

/** TypeScript 5.0 reads `await (` as a call unless an await before it shows that the code is asynchronous. */
function awaitable(code) {
  return /\bawait\s*[([]|\bfor\s+await\b/.test(code) ? `await 0; ${code}` : code;
}

/** How long after a failed cell the others are dropped, milliseconds: those that waited. tslab's 200 are felt. */
const DROP_TIME = 20;

function repairExecution({ JupyterHandlerImpl, ZmqServer }, { TaskQueue, TaskCanceledError }, cells) {
  const messageOf = new WeakMap();
  const failuresOf = new WeakMap();

  // Whether a failed cell drops the others is the front end's choice (stop_on_error), not the queue's.
  TaskQueue.prototype.add = function (task) {
    const turn = this.prev.then(task);
    this.prev = turn.catch(() => undefined);
    return turn;
  };
  TaskQueue.prototype.reset = () => undefined;

  // Requests queue up, so a cell's own state begins here and not where the request comes in.
  const { handleExecuteImpl } = JupyterHandlerImpl.prototype;
  JupyterHandlerImpl.prototype.handleExecuteImpl = async function (request, ...rest) {
    if (cells.dropping) throw new TaskCanceledError();
    const { code, silent } = request;
    if (!silent) {
      const content = { code, execution_count: this.execCount + 1 };
      messageOf.get(request)?.('execute_input', content);
    }
    cells.begin();
    try {
      const given = { ...request, code: cells.obstacle(code) ?? awaitable(code) };
      const result = await handleExecuteImpl.call(this, given, ...rest);
      await Promise.all(cells.shown);
      return result;
    } catch (error) {
      failuresOf.set(request, cells.failures);
      if (request.stop_on_error !== false) {
        cells.dropping = true;
        setTimeout(() => (cells.dropping = false), DROP_TIME);
      }
      throw error;
    } finally {
      cells.running = false;
    }
  };

  const { handleExecute } = ZmqServer.prototype;
  ZmqServer.prototype.handleExecute = async function (socket, message) {
    const request = message.content;
    const publish = (type, content) => {
      const reply = message.createReply();
      reply.header.msg_type = type;
      reply.content = content;
      reply.signAndSend(this.connInfo.key, this.iopub);
    };
    messageOf.set(request, publish);
    const handler = this.handler;
    const reporting = {
      __proto__: handler,
      async handleExecute(...args) {
        const reply = await handler.handleExecute(...args);
        if (reply.status === 'abort') return { ...reply, status: 'aborted' };
        if (reply.status !== 'error') return reply;
        const failure = describeFailure(failuresOf.get(request) ?? []);
        publish('error', failure);
        return { ...reply, ...failure };
      },
    };
    await handleExecute.call({ __proto__: this, handler: reporting }, socket, message);
  };
}

/** A failed cell's `error` message: a bad input is its sentence, anything else has the few stack lines that matter. */
function describeFailure(failures) {
  const thrown = failures.find((failure) => failure instanceof Error);
  if (thrown === undefined) {
    const lines = failures.map(String);
    return errorContent('TypeScript', lines[0] ?? 'the cell failed', lines);
  }
  const { name, message } = thrown;
  if (/interrupted/i.test(message)) return errorContent('Interrupted', 'the cell was interrupted', []);
  return errorContent(name, message, [
    `${name}: ${message}`,
    ...(name === 'InputError' ? [] : stackLines(thrown)),
  ]);
}

function errorContent(ename, evalue, traceback) {
  return { ename, evalue, traceback: traceback.length > 0 ? traceback : [`${ename}: ${evalue}`] };
}

const STACK_LINES = 4;

function stackLines({ stack = '' }) {
  const own = /node:|node_modules|jupyter[\\/]kernel/;
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !own.test(line))
    .slice(0, STACK_LINES)
    .map((line) => line.replace(/evalmachine\.<anonymous>/, 'cell'));
}

function repairMessages(jupyter, cells) {
  const { ZmqServer } = jupyter;
  let Message;
  const { publishStatus, handleShellMessage, close } = ZmqServer.prototype;
  ZmqServer.prototype.publishStatus = function (status, parent) {
    Message ??= Object.getPrototypeOf(parent).constructor;
    return publishStatus.call(this, status, parent);
  };

  const answers = {
    comm_info_request: () => ['comm_info_reply', { comms: {} }],
    history_request: () => ['history_reply', { history: [] }],
    interrupt_request: () => {
      process.emit('SIGINT');
      return ['interrupt_reply', {}];
    },
    comm_open: () => undefined,
    comm_msg: () => undefined,
    comm_close: () => undefined,
  };
  ZmqServer.prototype.handleShellMessage = async function (socket, ...parts) {
    const at = parts.findIndex((part) => part.toString() === '<IDS|MSG>');
    const { msg_type: type } = JSON.parse(parts[at + 2]);
    // tslab has answered a kernel_info request before any of these comes.
    if (!(type in answers) || Message === undefined) return handleShellMessage.call(this, socket, ...parts);
    const message = Message.fromRaw(this.connInfo.key, parts);
    this.publishStatus('busy', message);
    const answer = answers[type]();
    if (answer !== undefined) {
      const reply = message.createReply();
      reply.header.msg_type = answer[0];
      reply.content = { status: 'ok', ...answer[1] };
      reply.signAndSend(this.connInfo.key, socket);
    }
    this.publishStatus('idle', message);
  };

  // Timers and servers that cells left open do not hold the process; a training that runs may write its checkpoint.
  ZmqServer.prototype.close = function () {
    close.call(this);
    process.stdout.write = process.stderr.write = () => true;
    jupyter.lastWriteDisplayData = null;
    cells.stop.abort();
    const deadline = Date.now() + 3000;
    setInterval(() => {
      if (!cells.running || Date.now() > deadline) process.exit(0);
    }, 50);
  };
}

module.exports = { startKernel };
