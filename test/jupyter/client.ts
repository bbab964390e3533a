/** A small Jupyter client: starts a kernel as Jupyter does, runs cells in it and collects what they show. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/util/versions';

interface Message {
  readonly type: string;
  /** Message id of the request that this answers. */
  readonly parent?: string;
  readonly content: Record<string, unknown>;
}

interface Socket extends AsyncIterable<Buffer[]> {
  connect(address: string): void;
  send(parts: (string | Buffer)[]): Promise<void>;
  close(): void;
}

const tslabRequire = createRequire(
  createRequire(join(PACKAGE_ROOT, 'package.json')).resolve('tslab/package.json'),
);
const zmq = tslabRequire('zeromq') as Record<'Dealer' | 'Subscriber', new () => Socket>;

export interface Outcome {
  readonly reply: Record<string, unknown>;
  /** Everything published for the cell, but its status. */
  readonly outputs: readonly Message[];
}

export class KernelClient {
  private readonly session = randomUUID();
  private readonly received: Message[] = [];
  private readonly waiting = new Set<() => void>();

  private constructor(
    private readonly folder: string,
    readonly kernel: ChildProcess,
    private readonly sockets: Record<'shell' | 'control' | 'iopub', Socket>,
    private readonly key: string,
  ) {
    for (const socket of Object.values(sockets)) void this.read(socket);
  }

  /** Starts `jupyter/kernel/start.cjs` of `root` in the folder of a notebook, and waits until it answers. */
  static async start(notebookFolder: string, root = PACKAGE_ROOT): Promise<KernelClient> {
    const names = ['shell', 'control', 'iopub', 'stdin', 'hb'] as const;
    const ports = await freePorts(names.length);
    const key = randomUUID();
    const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
    const file = join(folder, 'connection.json');
    const connection = Object.fromEntries(names.map((name, i) => [`${name}_port`, ports[i]]));
    writeFileSync(file, JSON.stringify({ ...connection, ip: '127.0.0.1', transport: 'tcp', key }));
    const kernel = spawn(process.execPath, [join(root, 'jupyter', 'kernel', 'start.cjs'), file], {
      cwd: notebookFolder,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const open = (name: (typeof names)[number], kind: 'Dealer' | 'Subscriber'): Socket => {
      const socket = new zmq[kind]();
      socket.connect(`tcp://127.0.0.1:${connection[`${name}_port`]}`);
      return socket;
    };
    const iopub = open('iopub', 'Subscriber');
    (iopub as Socket & { subscribe(): void }).subscribe();
    const sockets = { shell: open('shell', 'Dealer'), control: open('control', 'Dealer'), iopub };
    const client = new KernelClient(folder, kernel, sockets, key);
    // Published messages are lost until the subscription has reached the kernel.
    for (;;) {
      const id = await client.send('shell', 'kernel_info_request', {});
      if (await client.until((m) => m.parent === id && m.type === 'status', 500)) return client;
    }
  }

  /** Runs a cell to its end. */
  async run(code: string, options: { readonly allowErrors?: boolean } = {}): Promise<Outcome> {
    return this.outcome(await this.submit(code, options));
  }

  /** Hands a cell in without waiting; `outcome` waits. */
  submit(code: string, { allowErrors = false }: { readonly allowErrors?: boolean } = {}): Promise<string> {
    const content = { code, silent: false, store_history: true, stop_on_error: !allowErrors };
    return this.send('shell', 'execute_request', content);
  }

  async outcome(id: string): Promise<Outcome> {
    const reply = await this.until((m) => m.parent === id && m.type === 'execute_reply');
    await this.until((m) => m.parent === id && m.type === 'status' && m.content.execution_state === 'idle');
    const outputs = this.received.filter(
      (m) => m.parent === id && m.type !== 'status' && m.type !== 'execute_reply',
    );
    // What comes right after a failed cell is dropped.
    if (reply!.content.status === 'error') await new Promise((resolve) => setTimeout(resolve, 50));
    return { reply: reply!.content, outputs };
  }

  /** The first message received, or to come, that `is` accepts; undefined after `milliseconds`. */
  async until(is: (message: Message) => boolean, milliseconds = 60_000): Promise<Message | undefined> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const found = this.received.find(is);
      if (found !== undefined || Date.now() > deadline) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 50);
        this.waiting.add(wake);
      });
    }
  }

  interrupt(): void {
    this.kernel.kill('SIGINT');
  }

  /** Asks the kernel to end. @returns its exit code and how long it took, milliseconds */
  async shutdown(): Promise<{ readonly code: number | null; readonly milliseconds: number }> {
    const begin = Date.now();
    const ended = new Promise<number | null>((resolve) => this.kernel.once('exit', resolve));
    await this.send('control', 'shutdown_request', { restart: false });
    const code = await ended;
    for (const socket of Object.values(this.sockets)) socket.close();
    rmSync(this.folder, { recursive: true });
    return { code, milliseconds: Date.now() - begin };
  }

  async send(to: 'shell' | 'control', type: string, content: Record<string, unknown>): Promise<string> {
    const id = randomUUID();
    const header = {
      msg_id: id,
      msg_type: type,
      session: this.session,
      username: '',
      version: '5.3',
      date: '',
    };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    const hmac = createHmac('sha256', this.key);
    for (const part of parts) hmac.update(part);
    await this.sockets[to].send(['<IDS|MSG>', hmac.digest('hex'), ...parts]);
    return id;
  }

  private async read(socket: Socket): Promise<void> {
    for await (const parts of socket) {
      const at = parts.findIndex((part) => part.toString() === '<IDS|MSG>');
      const json = (i: number): Record<string, unknown> =>
        JSON.parse(parts[at + i].toString()) as Record<string, unknown>;
      const header = json(2) as { msg_type: string };
      this.received.push({
        type: header.msg_type,
        parent: (json(3) as { msg_id?: string }).msg_id,
        content: json(5),
      });
      for (const wake of this.waiting) wake();
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
