import { closeSync, existsSync, lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSafeSync } from '../../system/files/safe-open.ts';
import type { Database, Driver } from './driver/driver.ts';
import { failureOf } from './index-failure.ts';
import { INDEX_VERSION, SCHEMA, SETTINGS } from './schema.ts';

const NAME = '_index.sqlite';

/** Fact: the inode of the file. */
const INODE = 'inode';

/** Beside the file: its keeper has ended without a word, and what was written since is not in the index. */
const LEFT = '.left';

/** What SQLite, its drivers and the keeper leave beside the file. */
const BESIDE = ['-journal', '-wal', '-shm', '.lock', LEFT] as const;

export function indexPath(logDir: string): string {
  return join(logDir, NAME);
}

/** Says to readers in other processes that the index is no longer kept. The next keeper takes it back. */
export function markLeft(logDir: string): void {
  try {
    closeSync(openSafeSync(indexPath(logDir) + LEFT, 'wx'));
  } catch {
    // There already, or the disk takes no file: then the index cannot be kept either.
  }
}

/** For the keeper, once the index says itself that it is not complete. */
export function takeBack(logDir: string): void {
  rmSync(indexPath(logDir) + LEFT, { force: true });
}

/** Opens the index for writing; makes an empty one where there is none, or none of this version. */
export function openIndexFile(driver: Driver, logDir: string): Database {
  const path = indexPath(logDir);
  // Only this process writes. A process that was killed leaves its lock, which nothing else would remove.
  rmSync(`${path}.lock`, { recursive: true, force: true });
  if (isUsable(path)) {
    const database = openOrUndefined(driver, path);
    if (database !== undefined) return database;
  }
  removeIndex(logDir);
  // Made before SQLite opens it: with the mode of the other files, and never through a link.
  closeSync(openSafeSync(path, 'wx'));
  const database = driver.open(path, { isReadOnly: false });
  database.exec(SETTINGS);
  database.exec(`BEGIN; ${SCHEMA}; COMMIT`);
  database.run('INSERT INTO fact(name, value) VALUES(?, ?)', [INODE, String(indexInode(logDir))]);
  return database;
}

/** Undefined where there is no whole index of this version. Throws when it is locked. */
export function openIndexToRead(driver: Driver, logDir: string): Database | undefined {
  const path = indexPath(logDir);
  if (!isUsable(path) || existsSync(path + LEFT)) return undefined;
  let database: Database | undefined;
  try {
    database = driver.open(path, { isReadOnly: true });
    if (isWhole(database, path)) return database;
  } catch {
    // Damaged, or being written by the other kind of driver, whose locks this one does not see.
  }
  database?.close();
  return undefined;
}

export function removeIndex(logDir: string): void {
  const path = indexPath(logDir);
  for (const suffix of ['', ...BESIDE]) rmSync(path + suffix, { recursive: true, force: true });
}

/** A number that changes when another file stands there; undefined when there is none. */
export function indexInode(logDir: string): number | undefined {
  return lstatSync(indexPath(logDir), { throwIfNoEntry: false })?.ino;
}

/** A link could lead to a file of another program. A file with a log of its own (WAL) is of another version. */
function isUsable(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true && !existsSync(`${path}-wal`);
}

function openOrUndefined(driver: Driver, path: string): Database | undefined {
  let database: Database | undefined;
  try {
    database = driver.open(path, { isReadOnly: false });
    // Reading also takes back what a killed process had begun.
    if (isWhole(database, path)) {
      database.exec(SETTINGS);
      return database;
    }
  } catch (error) {
    // What is unknown counts as damage: the index can be made again.
    if (['locked', 'disk'].includes(failureOf(error))) {
      database?.close();
      throw error;
    }
  }
  database?.close();
  return undefined;
}

/** Of this version, and no copy: one that was made while the index was written may have parts of two times. */
function isWhole(database: Database, path: string): boolean {
  if (Number(database.all('PRAGMA user_version', [])[0]?.user_version) !== INDEX_VERSION) return false;
  const inode = lstatSync(path, { throwIfNoEntry: false })?.ino;
  return database.all('SELECT value FROM fact WHERE name = ?', [INODE])[0]?.value === String(inode);
}
