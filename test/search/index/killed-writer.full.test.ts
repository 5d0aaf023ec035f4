import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openIndexFile } from '../../../src/search/index/index-file.ts';
import { tempDir } from '../../support/log-dir.ts';
import { loadDrivers } from '../../support/search-index.ts';

const WRITER = join(import.meta.dirname, '../../support/index-writer.mjs');
const KILLS = 8;

describe.each((await loadDrivers()).map((driver) => [driver.name, driver] as const))('%s', (name, driver) => {
  test('an index whose process was killed at any moment is whole, and has what was written before', async () => {
    const dir = await tempDir();
    let least = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = spawn(process.execPath, [WRITER, name, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exit = once(child, 'exit');
      await once(child.stdout, 'data');
      await delay(20 + 60 * kill);
      child.kill('SIGKILL');
      await exit;
      const database = openIndexFile(driver, dir);
      const [tasks] = database.all('SELECT count(*) AS count FROM task', []);
      const [found] = database.all("SELECT count(*) AS count FROM text WHERE text MATCH 'everywhere'", []);
      expect(found).toEqual(tasks);
      expect(database.all('PRAGMA integrity_check', [])[0]?.integrity_check).toBe('ok');
      expect(Number(tasks?.count)).toBeGreaterThanOrEqual(least);
      least = Number(tasks?.count);
      database.close();
    }
    expect(least).toBeGreaterThan(0);
  });
});
