import { readFileSync } from 'node:fs';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import type { z } from 'zod';
import { errnoOf, messageOf } from '../../errors.ts';
import { type ConfigFile, fileSchema } from './file-schema.ts';
import { faberSchema, logsSchema } from './plugin-schema.ts';

const PLUGIN_SCHEMAS = { faber: faberSchema, logs: logsSchema };

interface ReadFile {
  readonly file: ConfigFile;
  readonly problems: readonly string[];
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
  let text: string;
  try {
    // Some editors write a byte order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const isMissing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
    if (isMissing && !isRequired) return { file: {}, problems: [] };
    return { file: {}, problems: [`${path}: cannot be read: ${messageOf(error)}`] };
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    return { file: {}, problems: [`${path}: line ${line}: ${inWords(printParseErrorCode(first.error))}`] };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { file: parsed.data, problems: [] };
  return {
    file: {},
    problems: parsed.error.issues.map(
      (issue) => `${path}: ${issue.path.join('.') || '(top)'}: ${issue.message}`,
    ),
  };
}

/** `CommaExpected`: comma expected. */
function inWords(code: string): string {
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
