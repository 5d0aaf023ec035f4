import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

const SRC = new URL('../../src/', import.meta.url).pathname;

export interface SourcePattern {
  /** Below `src`. */
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

export interface SourcePatterns {
  readonly literals: readonly SourcePattern[];
  /** Files with `new RegExp` or `RegExp(...)`, once for each. */
  readonly built: readonly string[];
}

/** Every regular expression of the source, found in its syntax tree. */
export function sourcePatterns(): SourcePatterns {
  const literals: SourcePattern[] = [];
  const built: string[] = [];
  for (const name of readdirSync(SRC, { recursive: true }).map(String).sort()) {
    if (!name.endsWith('.ts')) continue;
    const program: unknown = parseAst(readFileSync(join(SRC, name), 'utf8'), { lang: 'ts' });
    for (const node of nodesOf(program)) {
      const { type, regex, callee } = node;
      if (type === 'Literal' && isRecord(regex)) {
        literals.push({ file: name, source: String(regex.pattern), flags: String(regex.flags) });
      }
      const isCall = type === 'NewExpression' || type === 'CallExpression';
      if (isCall && isRecord(callee) && callee.name === 'RegExp') built.push(name);
    }
  }
  return { literals, built };
}

function* nodesOf(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item);
  else if (isRecord(value)) {
    yield value;
    for (const item of Object.values(value)) if (typeof item === 'object') yield* nodesOf(item);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The patterns that a module builds while it is loaded. It must not be loaded yet. */
export async function builtPatterns(file: string): Promise<readonly SourcePattern[]> {
  const own: SourcePattern[] = [];
  // Has a test of its own; its patterns are not those of the module that imports it first.
  await import(join(SRC, 'redact/redact.ts'));
  const Original = globalThis.RegExp;
  globalThis.RegExp = new Proxy(Original, {
    construct: (target, args) => {
      const made: RegExp = Reflect.construct(target, args);
      own.push({ file, source: made.source, flags: made.flags });
      return made;
    },
  });
  try {
    await import(join(SRC, file));
  } finally {
    globalThis.RegExp = Original;
  }
  return own;
}
