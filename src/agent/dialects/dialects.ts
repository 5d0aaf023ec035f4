import { TasktrailError } from '../../errors.ts';
import { auto } from './auto.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { cursor } from './cursor.ts';
import type { Dialect } from './dialect.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';
import { qwen } from './qwen.ts';
import { text } from './text.ts';

const DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  [auto, claude, codex, cursor, gemini, opencode, qwen, text].map((dialect) => [dialect.name, dialect]),
);

export const DIALECT_NAMES: readonly string[] = [...DIALECTS.keys()];

/** The dialect of a run for which none is named. */
export const DEFAULT_DIALECT = 'auto';

/** Throws `ERR_CONFIG_INVALID` for an unknown name. */
export function findDialect(name: string): Dialect {
  const dialect = DIALECTS.get(name);
  if (dialect !== undefined) return dialect;
  throw new TasktrailError(
    'ERR_CONFIG_INVALID',
    `dialect ${JSON.stringify(name)} is not known: use one of ${DIALECT_NAMES.join(', ')}`,
  );
}
