import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ConfigMemory } from '../../src/store/config-memory.ts';
import { filesIn, tempDir } from '../support/log-dir.ts';

test.runIf(process.platform !== 'win32')(
  'nothing is read, written or removed behind a link in place of _config',
  async () => {
    const top = await tempDir();
    const dir = join(top, 'logs');
    mkdirSync(dir);
    const memory = new ConfigMemory(dir);
    const runs = {
      process: { host: 'h', pid: 1, start: 's' },
      log_dir: dir,
      directories: [dir],
      spans: [[1, 2]] as const,
    };
    await memory.writeAccepted({ directory: '/srv', accepted_at_ms: 9, files: {} });
    await memory.writeRuns('agents-1-a.json', runs);
    const outside = join(top, 'outside');
    renameSync(join(dir, '_config'), outside);
    symlinkSync(outside, join(dir, '_config'));
    const before = filesIn(outside);
    const refused = 'is a symbolic link';
    await expect(memory.readAccepted('/srv')).rejects.toThrow(refused);
    await expect(memory.listRuns()).rejects.toThrow(refused);
    await expect(memory.readRuns('agents-1-a.json')).rejects.toThrow(refused);
    await expect(memory.forgetRuns(() => false)).rejects.toThrow(refused);
    await expect(memory.writeRuns('agents-2-b.json', runs)).rejects.toThrow(refused);
    await expect(memory.writeAccepted({ directory: '/x', accepted_at_ms: 1, files: {} })).rejects.toThrow(
      refused,
    );
    expect(filesIn(outside)).toEqual(before);
  },
);
