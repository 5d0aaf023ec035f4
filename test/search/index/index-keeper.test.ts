import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { indexPath, markLeft, openIndexToRead } from '../../../src/search/index/index-file.ts';
import { IndexKeeper } from '../../../src/search/index/index-keeper.ts';
import { createTaskSource } from '../../../src/store/read/task-source.ts';
import { setLeaseGuard } from '../../../src/system/lease-guard.ts';
import { tempDir } from '../../support/log-dir.ts';
import { listsOf, loadDrivers, openIndex } from '../../support/search-index.ts';
import { outputLine, result, writeTask } from '../../support/searched-tasks.ts';
import { DEADLINE, until } from '../../support/until.ts';

const asFolder = (path: string): void => {
  rmSync(path);
  mkdirSync(path);
};

/** Copied while it was written: pages of two times. */
const asCopy = (path: string): void => {
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes.fill(0, 3 * 8_192, 4 * 8_192));
};

const asLink = (path: string): void => {
  rmSync(path);
  symlinkSync('/etc/passwd', path);
};

function untilLocked(keeper: IndexKeeper): Promise<void> {
  return expect
    .poll(async () => {
      await keeper.settle(10);
      return keeper.state.problem;
    })
    .toMatch(/locked|busy/);
}

describe.each((await loadDrivers()).map((driver) => [driver.name, driver] as const))('%s', (_, driver) => {
  test('a store that is away for a moment hides no task, also none that is read at the same time', async () => {
    const dir = await tempDir();
    const ids = Array.from({ length: 24 }, (_, number) => `task-${number}`);
    for (const id of ids) writeTask(dir, { id, message: 'a word', result: result(true) });
    const source = createTaskSource(dir);
    let failures = 1;
    const files = {
      ...source,
      read: async (id: string) => {
        failures -= 1;
        if (failures === 0) throw new TasktrailError('ERR_STORE_UNAVAILABLE', 'away', { retryable: true });
        return source.read(id);
      },
    };
    const keeper = new IndexKeeper({ ...{ logDir: dir, files, driver }, reads: 2, groups: 2 });
    onTestFinished(() => keeper.close());
    keeper.start();
    const lists = listsOf(dir, keeper);
    await until(() => keeper.state.isComplete, 'the index');
    expect((await lists({ limit: 99, q: 'word' })).items.map((item) => item.task_id).sort()).toEqual(
      ids.sort(),
    );
  });

  test('what changes is found, what is removed is not', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'first words' });
    const keeper = await openIndex(dir, driver);
    const lists = listsOf(dir, keeper);
    const count = async (q: string): Promise<number> => (await lists({ limit: 9, q })).items.length;
    expect(await count('first')).toBe(1);
    writeTask(dir, { id: 'task-a', message: 'second words', result: result(true) });
    keeper.note(['task-a']);
    expect([await count('first'), await count('second'), await count('status:completed')]).toEqual([0, 1, 1]);
    rmSync(join(dir, 'task-a'), { recursive: true });
    keeper.note(['task-a']);
    expect(await count('words')).toBe(0);
  });

  test('a start finds what changed while no process held the directory', async () => {
    const dir = await tempDir();
    for (const id of ['task-a', 'task-b', 'task-c'])
      writeTask(dir, { id, message: 'old', result: result(true) });
    writeTask(dir, { id: 'task-open', lines: [outputLine('old')] });
    await (await openIndex(dir, driver)).close();
    rmSync(join(dir, 'task-a'), { recursive: true });
    rmSync(join(dir, 'task-b'), { recursive: true });
    writeTask(dir, { id: 'task-b', message: 'new', result: result(true) });
    writeTask(dir, { id: 'task-d', message: 'new' });
    appendFileSync(join(dir, 'task-open/03-agent-output.jsonl'), `${JSON.stringify(outputLine('new'))}\n`);
    const lists = listsOf(dir, await openIndex(dir, driver));
    const ids = async (q: string): Promise<unknown[]> =>
      (await lists({ limit: 9, q })).items.map((item) => item.task_id).sort();
    expect(await ids('new')).toEqual(['task-b', 'task-d', 'task-open']);
    expect(await ids('old')).toEqual(['task-c', 'task-open']);
  });

  test('an output that is read later is found, also by the next start', async () => {
    const dir = await tempDir();
    const output = join(dir, 'task-open/03-agent-output.jsonl');
    writeTask(dir, { id: 'task-open', lines: [outputLine('old')] });
    const keeper = await openIndex(dir, driver);
    appendFileSync(output, `${JSON.stringify(outputLine('new'))}\n`);
    keeper.note(['task-open']);
    await keeper.settle(45_000);
    await keeper.close();
    const next = await openIndex(dir, driver);
    const lists = listsOf(dir, next);
    const count = async (q: string): Promise<number> => (await lists({ limit: 9, q })).items.length;
    expect(await count('new')).toBe(1);
    // A document that comes behind the first reading.
    writeFileSync(join(dir, 'task-open/01-input.json'), '{"message":"question"}\n');
    next.note(['task-open']);
    await expect.poll(() => count('question')).toBe(1);
  });

  test('an output is read again at once when its task has ended', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', lines: [outputLine('old')] });
    const keeper = await openIndex(dir, driver);
    writeTask(dir, {
      ...{ id: 'task-a', metadata: { status: 'completed' } },
      lines: [outputLine('old'), outputLine('new')],
    });
    keeper.note(['task-a']);
    await keeper.settle(45_000);
    expect((await listsOf(dir, keeper)({ limit: 9, q: 'new' })).items).toHaveLength(1);
  });

  test('a query finds that the index was removed: it is made again without another change', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    const keeper = await openIndex(dir, driver);
    rmSync(indexPath(dir));
    expect(await keeper.use((index) => index.count())).toBeUndefined();
    await expect.poll(() => keeper.use((index) => index.count()), DEADLINE).toBe(1);
    expect(existsSync(indexPath(dir))).toBe(true);
  });

  test('a keeper whose directory was taken over writes nothing', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    setLeaseGuard({ lease: 1, holds: () => false });
    onTestFinished(() => setLeaseGuard(undefined));
    const keeper = new IndexKeeper({ logDir: dir, files: createTaskSource(dir), driver });
    onTestFinished(() => keeper.close());
    keeper.start();
    await expect.poll(() => keeper.state.problem).toContain('taken over');
    expect(existsSync(indexPath(dir))).toBe(false);
  });

  test.each([
    ['cut', (path: string) => truncateSync(path, 5_000)],
    ['no database', (path: string) => writeFileSync(path, 'x'.repeat(20_000))],
    ['empty', (path: string) => writeFileSync(path, '')],
    ['damaged inside', (path: string) => writeFileSync(path, 'x'.repeat(12_000), { flag: 'r+' })],
    ['a copy', asCopy],
    ['a folder', asFolder],
    ['a link', asLink],
    ['of a killed process', (path: string) => mkdirSync(`${path}.lock`)],
    ['without a whole journal', (path: string) => writeFileSync(`${path}-journal`, 'nonsense')],
  ])('an index that is %s is made again at the start', async (_what, damage) => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    await (await openIndex(dir, driver)).close();
    damage(indexPath(dir));
    const lists = listsOf(dir, await openIndex(dir, driver));
    expect((await lists({ limit: 9, q: 'words' })).items).toHaveLength(1);
  });

  test('an index of another version is made again', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    await (await openIndex(dir, driver)).close();
    const database = driver.open(indexPath(dir), { isReadOnly: false });
    database.exec('DROP TABLE task_tool; PRAGMA user_version=999');
    database.close();
    const lists = listsOf(dir, await openIndex(dir, driver));
    expect((await lists({ limit: 9, q: 'words' })).items).toHaveLength(1);
  });

  test('an index that is removed or damaged while it is used is made again', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    const keeper = await openIndex(dir, driver);
    for (const damage of [
      () => rmSync(indexPath(dir)),
      () => writeFileSync(indexPath(dir), 'x'.repeat(50_000), { flag: 'r+' }),
    ]) {
      damage();
      writeTask(dir, { id: 'task-b', message: 'words' });
      keeper.note(['task-b']);
      await expect
        .poll(async () => {
          await keeper.settle(100);
          return existsSync(indexPath(dir)) && (await keeper.use((index) => index.count()));
        })
        .toBe(2);
    }
  });

  test('while another process has locked it the files answer, and afterwards nothing is missing', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    const keeper = await openIndex(dir, driver);
    const other = driver.open(indexPath(dir), { isReadOnly: false });
    other.exec('BEGIN EXCLUSIVE');
    writeTask(dir, { id: 'task-b', message: 'words' });
    keeper.note(['task-b']);
    await untilLocked(keeper);
    expect(await keeper.use((index) => index.count())).toBeUndefined();
    other.exec('ROLLBACK');
    other.close();
    const lists = listsOf(dir, keeper);
    expect((await lists({ limit: 9, q: 'words' })).items).toHaveLength(2);
  });

  test('an index that is locked, or whose statement fails, is kept; while it is locked the files answer', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    const keeper = await openIndex(dir, driver);
    const inode = statSync(indexPath(dir)).ino;
    const fail = (message: string) => (): never => {
      throw new Error(message);
    };
    expect(await keeper.use(fail('Expression tree is too large (maximum depth 1000)'))).toBeUndefined();
    expect(
      await keeper.use(fail('Value is too large to be represented as a JavaScript number')),
    ).toBeUndefined();
    expect(await keeper.use((index) => index.count())).toBe(1);
    const other = driver.open(indexPath(dir), { isReadOnly: false });
    // A reader that stays: nothing can be written, but everything can be read.
    other.exec('BEGIN');
    other.all('SELECT n FROM task', []);
    writeTask(dir, { id: 'task-b', message: 'words' });
    keeper.note(['task-b']);
    await untilLocked(keeper);
    expect(await keeper.use((index) => index.count())).toBeUndefined();
    other.exec('ROLLBACK');
    other.close();
    const lists = listsOf(dir, keeper);
    expect((await lists({ limit: 9, q: 'words' })).items).toHaveLength(2);
    expect(statSync(indexPath(dir)).ino).toBe(inode);
  });

  test('amounts beyond 53 bits are sorted, and do no harm', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', result: result(true, { input_tokens: 1e17, output_tokens: 5 }) });
    writeTask(dir, { id: 'task-b', result: result(true, { input_tokens: 7, output_tokens: 5 }) });
    const keeper = await openIndex(dir, driver);
    const found = await listsOf(dir, keeper)({ limit: 9, sort: 'tokens' });
    expect(found.items.map((item) => [item.task_id, item.input_tokens])).toEqual([
      ['task-a', 1e17],
      ['task-b', 7],
    ]);
  });

  test('an index whose keeper has ended without a word is not read by other processes, and taken back by the next', async () => {
    const dir = await tempDir();
    writeTask(dir, { id: 'task-a', message: 'words' });
    const keeper = await openIndex(dir, driver);
    const canRead = (): boolean => {
      const database = openIndexToRead(driver, dir);
      database?.close();
      return database !== undefined;
    };
    expect(canRead()).toBe(true);
    markLeft(dir);
    markLeft(dir);
    expect(canRead()).toBe(false);
    await keeper.close();
    await openIndex(dir, driver);
    expect(canRead()).toBe(true);
  });

  test('a line of hostile size, torn lines and deep values do not stop it', async () => {
    const dir = await tempDir();
    const deep = `${'['.repeat(5_000)}"deepest"${']'.repeat(5_000)}`;
    writeTask(dir, {
      id: 'task-a',
      lines: [outputLine('findme')],
    });
    const output = join(dir, 'task-a/03-agent-output.jsonl');
    appendFileSync(output, `{"type":"tool_call","tool_name":"Bash","tool_input":${deep}}\n`);
    appendFileSync(output, `{"type":"output","content":"${'z '.repeat(9_000_000)}"}\n{"torn`);
    writeTask(dir, { id: 'task-b', message: 'findme' });
    const lists = listsOf(dir, await openIndex(dir, driver));
    expect((await lists({ limit: 9, q: 'findme' })).items).toHaveLength(2);
  });
});
