import { TasktrailError } from '../../errors.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import type { Dialect } from './dialect.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';
import { text } from './text.ts';

const DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  [claude, codex, gemini, opencode, text].map((dialect) => [dialect.name, dialect]),
);

export const DIALECT_NAMES: readonly string[] = [...DIALECTS.keys()];

/** Throws `ERR_CONFIG_INVALID` for an unknown name. */
export function findDialect(name: string): Dialect {
  const dialect = DIALECTS.get(name);
  if (dialect !== undefined) return dialect;
  throw new TasktrailError(
    'ERR_CONFIG_INVALID',
    `dialect ${JSON.stringify(name)} is not known: use one of ${DIALECT_NAMES.join(', ')}`,
  );
}
