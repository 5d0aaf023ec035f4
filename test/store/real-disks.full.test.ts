import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { noImageReason } from '../support/disk-image.ts';
import { tempDir } from '../support/log-dir.ts';
import { resultOf, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const cannotMount = noImageReason();

const AGENT = { TASK_LOGS_AGENT_COMMAND: 'echo done' };

interface Ready {
  readonly status: string;
  readonly reasons: Readonly<Record<string, string>>;
  readonly books: { readonly dropped: object };
}

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** A file system in memory with little room, and a service that writes to it. */
class Rig {
  readonly cwd: string;
  readonly logDir: string;
  readonly service: ServiceProcess;

  constructor(cwd: string, service: ServiceProcess) {
    this.cwd = cwd;
    this.logDir = join(cwd, 'logs');
    this.service = service;
  }

  static async start(options: string): Promise<Rig> {
    const cwd = await tempDir();
    const logDir = join(cwd, 'logs');
    mkdirSync(logDir);
    expect(run('mount', '-t', 'tmpfs', '-o', `mode=0700,${options}`, 'tmpfs', logDir)).toBe(true);
    onTestFinished(() => void run('umount', '-l', logDir));
    const service = await ServiceProcess.start({ cwd, env: AGENT });
    onTestFinished(() => service.dispose());
    return new Rig(cwd, service);
  }

  async ready(): Promise<Ready> {
    return (await (await fetch(`${this.service.url}/readyz`)).json()) as Ready;
  }

  /** Sends comments until the condition is true. Returns the ids of the tasks that were accepted. */
  async sendUntil(isEnough: (ready: Ready) => boolean, what: string): Promise<string[]> {
    const ids: string[] = [];
    await until(async () => {
      const id = await this.service.sendComment('@agent review').catch(() => undefined);
      if (id !== undefined && id !== '') ids.push(id);
      return isEnough(await this.ready());
    }, what);
    return ids;
  }

  async statusOf(taskId: string): Promise<number> {
    return (await fetch(`${this.service.url}/api/tasks/${taskId}`)).status;
  }
}

/** Fills a disk to its last byte; returns what frees it. */
function fillRoom({ logDir }: Rig): () => void {
  const path = join(logDir, '.filler');
  const descriptor = openSync(path, 'a');
  const piece = Buffer.alloc(4096);
  try {
    for (;;) writeSync(descriptor, piece);
  } catch {
    // ENOSPC.
  }
  closeSync(descriptor);
  return () => rmSync(path);
}

function fillInodes({ logDir }: Rig): () => void {
  const folder = join(logDir, '.filler');
  mkdirSync(folder);
  try {
    for (let n = 0; ; n += 1) writeFileSync(join(folder, String(n)), '');
  } catch {
    // ENOSPC.
  }
  return () => rmSync(folder, { recursive: true });
}

test.skipIf(cannotMount !== undefined).each([
  ['full', 'size=24m', fillRoom],
  ['without inodes', 'size=24m,nr_inodes=400', fillInodes],
])(
  'a disk that is %s is named with what to do, serves what it has, and takes everything once it is well',
  async (_, options, fill) => {
    const rig = await Rig.start(options);
    const first = await rig.service.sendComment('@agent review');
    await resultOf(rig.logDir, first);
    const free = fill(rig);
    const ids = await rig.sendUntil(({ reasons }) => reasons.store?.includes('df -i') === true, 'the reason');
    expect(await rig.statusOf(first)).toBe(200);
    free();
    const ready = await until(async () => {
      const now = await rig.ready();
      return now.status === 'ready' && now;
    }, 'the disk to be well');
    expect(ready.reasons).toEqual({});
    for (const id of ids) await resultOf(rig.logDir, id);
    const { books } = await rig.ready();
    expect(books.dropped).toEqual({});
    expect(await rig.service.stop()).toMatchObject({ code: 0 });
  },
);

interface Removal {
  readonly what: string;
  /** Returns what makes it well again. */
  readonly remove: (logDir: string) => () => void;
}

const replaced =
  (name: string) =>
  (logDir: string): (() => void) => {
    rmSync(join(logDir, name), { recursive: true, force: true, maxRetries: 20 });
    writeFileSync(join(logDir, name), 'no folder');
    return () => rmSync(join(logDir, name), { force: true });
  };

const removed =
  (name: string) =>
  (logDir: string): (() => void) => {
    rmSync(join(logDir, name), { recursive: true, force: true, maxRetries: 20 });
    return () => {};
  };

const REMOVALS: readonly Removal[] = [
  { what: 'the log directory is removed', remove: removed('.') },
  { what: 'the journal is removed', remove: removed('_journal') },
  { what: 'the folder of deliveries is removed', remove: removed('_webhooks') },
  { what: 'the journal is replaced by a file', remove: replaced('_journal') },
  {
    what: 'the log directory is away and comes back',
    remove: (logDir) => {
      renameSync(logDir, `${logDir}-away`);
      return () => {
        // The service makes it again at any moment.
        for (let n = 0; existsSync(`${logDir}-away`); n += 1) {
          if (existsSync(logDir)) renameSync(logDir, `${logDir}-${n}`);
          spawnSync('mv', ['-T', `${logDir}-away`, logDir]);
        }
      };
    },
  },
];

test.each(REMOVALS.map((removal) => [removal.what, removal] as const))(
  'when %s, the service goes on, and is ready again later',
  async (_, { remove }) => {
    const cwd = await tempDir();
    const logDir = join(cwd, 'logs');
    const service = await ServiceProcess.start({ cwd, env: AGENT });
    onTestFinished(() => service.dispose());
    const rig = new Rig(cwd, service);
    await resultOf(logDir, await service.sendComment('@agent review'));
    const mend = remove(logDir);
    for (let n = 0; n < 3; n += 1) await service.sendComment('@agent review').catch(() => undefined);
    mend();
    await until(async () => (await rig.ready()).status === 'ready', 'to be ready');
    await resultOf(logDir, await service.sendComment('@agent review'));
    expect(await service.stop()).toMatchObject({ code: 0 });
  },
);
