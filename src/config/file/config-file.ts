import { createScanner, type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import type { z } from 'zod';
import { readBoundedText } from './bounded-text.ts';
import { type ConfigFile, fileSchema } from './file-schema.ts';
import { faberSchema, logsSchema } from './plugin-schema.ts';

const PLUGIN_SCHEMAS = { faber: faberSchema, logs: logsSchema };

/** Deeper than any file of people, and far from the depth that ends the parser's stack. */
const DEPTH_MAX = 64;

interface ReadFile {
  readonly file: ConfigFile;
  readonly problems: readonly string[];
  /** Of the content; undefined without one. */
  readonly sha256: string | undefined;
}

/** Reads JSON with comments. A missing file is an empty one unless it is required; problems name file and key. */
export function readConfigFile(path: string, options: { readonly required: boolean }): ReadFile {
  return readJson(path, fileSchema, options.required);
}

/** `.fractary/plugins/<plugin>/config.json`: as `readConfigFile`, for the keys that tasktrail uses. */
export function readPluginFile(path: string, plugin: 'faber' | 'logs'): ReadFile {
  return readJson(path, PLUGIN_SCHEMAS[plugin], false);
}

function readJson(path: string, schema: z.ZodType<ConfigFile>, isRequired: boolean): ReadFile {
  const read = readBoundedText(path, { mayBePipe: isRequired });
  if ('problem' in read) {
    const problems = read.isMissing && !isRequired ? [] : [`${path}: ${read.problem}`];
    return { file: {}, problems, sha256: undefined };
  }
  const { sha256 } = read;
  // Some editors write a byte order mark.
  const text = read.text.replace(/^\uFEFF/, '');
  if (depthOf(text) > DEPTH_MAX)
    return { file: {}, problems: [`${path}: is nested more than ${DEPTH_MAX} levels deep`], sha256 };
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    return {
      file: {},
      problems: [`${path}: line ${line}: ${inWords(printParseErrorCode(first.error))}`],
      sha256,
    };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { file: parsed.data, problems: [], sha256 };
  return {
    file: {},
    problems: parsed.error.issues.map(
      (issue) => `${path}: ${issue.path.join('.') || '(top)'}: ${issue.message}`,
    ),
    sha256,
  };
}

/** How deep objects and lists are nested. The parser recurses, so it must not see a deep text. */
function depthOf(text: string): number {
  const scanner = createScanner(text, true);
  let [depth, deepest] = [0, 0];
  while (scanner.getPosition() < text.length) {
    scanner.scan();
    // A text with a brace in it has its quotes, too.
    const token = scanner.getTokenLength() === 1 ? text.charAt(scanner.getTokenOffset()) : '';
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** `CommaExpected`: comma expected. */
function inWords(code: string): string {
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
