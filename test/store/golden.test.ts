import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { TRAIL } from '../../src/model/sender.ts';
import { filesIn, newStore } from '../support/log-dir.ts';
import { GOLDEN_CASES } from './golden-cases.ts';

const GOLDEN_DIR = join(import.meta.dirname, '..', 'golden');

/** Rewrites the expected files: `GOLDEN=write npx vitest run test/store/golden.test.ts`. Review the diff. */
const WRITE = process.env.GOLDEN === 'write';

test.each(GOLDEN_CASES)(
  'the records of %s produce the expected directory, byte for byte',
  async (name, batches) => {
    const { dir, store } = await newStore();
    for (const batch of batches()) await store.ingest(batch, TRAIL);
    const files = filesIn(dir);
    const golden = join(GOLDEN_DIR, name);
    if (WRITE) {
      rmSync(golden, { recursive: true, force: true });
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(golden, path)), { recursive: true });
        writeFileSync(join(golden, path), text);
      }
    }
    expect(existsSync(golden)).toBe(true);
    expect(files).toEqual(filesIn(golden));
  },
);
