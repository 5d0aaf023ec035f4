import { evaluate, parse } from '@humanwhocodes/momoa';
import type { z } from 'zod';
import { messageOf } from '../../errors.ts';
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
  const json = parseWithComments(text);
  if ('problem' in json) return { file: {}, problems: [`${path}: ${json.problem}`], sha256 };
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return { file: parsed.data, problems: [], sha256 };
  return {
    file: {},
    problems: parsed.error.issues.map(
      (issue) => `${path}: ${issue.path.join('.') || '(top)'}: ${ruleOf(issue)}`,
    ),
    sha256,
  };
}

/** What the schema says about a name that breaks a rule, and the words that there are; else its message. */
function ruleOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid option'))
    return `must be one of ${issue.values.map(String).join(', ')}`;
  return issue.message;
}

/** Strings and comments, also those without an end, or a bracket. Each character is read once, whatever the text. */
const TOKEN = /"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?$)|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[[\]{}]/g;

/** How deep objects and lists are nested. The parser recurses, so it must not see a deep text. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** The parser's names of tokens that are no words. */
const TOKEN_NAMES: Readonly<Record<string, string>> = {
  LBrace: '{',
  RBrace: '}',
  LBracket: '[',
  RBracket: ']',
  String: 'text',
};

function parseWithComments(text: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: evaluate(parse(text, { mode: 'jsonc', allowTrailingCommas: true })) };
  } catch (error) {
    const line: unknown = Reflect.get(Object(error), 'line');
    // The parser ends its sentence with the place: "Unexpected token String found. (1:8)".
    const said = messageOf(error).replace(/\.? \(\d+:\d+\)$/, '');
    const what = said.replace(/^Unexpected token (\w+) found$/, (_, token: string) => {
      return `unexpected ${TOKEN_NAMES[token] ?? token.toLowerCase()}: a comma or a bracket is missing beside it`;
    });
    return { problem: `line ${String(line ?? '?')}: ${what.charAt(0).toLowerCase()}${what.slice(1)}` };
  }
}
