import { z } from 'zod';
import { shortText } from './short-text.ts';
import type { ValueKind } from './value-kinds.ts';

/** The placeholders of a template; `model/trace-url.ts` replaces them. */
const PLACEHOLDERS: readonly string[] = ['trace_id', 'task_id', 'workflow_id'];

/** One word in braces, also as `{{word}}` or `${word}`. JSON in a Grafana URL does not match: quotes, colons or nothing follow its braces. */
const BRACED_WORD = /(\$?\{+)\s*([A-Za-z][\w.-]*)\s*\}/g;

/** Templates of URLs that show a trace. The message lists every template that is refused. */
export const TRACE_URLS: ValueKind<readonly string[]> = {
  type: 'URLs with blanks between them',
  schema: z.string().transform((value, context) => {
    const templates = [...new Set(value.split(/\s+/).filter(Boolean))];
    const problems = templates.flatMap((template) => {
      const problem = problemOf(template);
      return problem === undefined ? [] : [`${shortText(template)} ${problem}`];
    });
    if (problems.length > 0) context.addIssue({ code: 'custom', message: problems.join('; ') });
    return templates;
  }),
};

function problemOf(template: string): string | undefined {
  const [, host] = /^https?:\/\/([^/?#]+)/i.exec(template) ?? [];
  if (host === undefined) return 'is not a URL such as http://localhost:16686/trace/{trace_id}';
  // Every client of the API gets these URLs.
  if (host.includes('@')) return 'has a user or a password in it: leave them out';
  if (host.includes('{')) return 'has a placeholder in its host: move it into the path or the query';
  const misspelt = misspeltIn(template);
  if (misspelt !== undefined) return misspelt;
  if (/%7btrace_id%7d/i.test(template)) return 'has {trace_id} percent-encoded: write its braces as they are';
  if (!template.includes('{trace_id}')) return 'has no {trace_id}';
  if (!URL.canParse(template)) return 'is not a URL that can be parsed';
  return undefined;
}

/** A placeholder that is never replaced would stay in every link. */
function misspeltIn(template: string): string | undefined {
  for (const [found, open = '', word = ''] of template.matchAll(BRACED_WORD)) {
    if (open === '{' && PLACEHOLDERS.includes(word)) continue;
    const plain = word.toLowerCase().replaceAll(/[_.-]/g, '');
    const meant = PLACEHOLDERS.find((name) => plain.startsWith(name.replace('_id', '')));
    const hint = meant === undefined ? PLACEHOLDERS.map((name) => `{${name}}`).join(', ') : `{${meant}}`;
    return `has ${found}, which is no placeholder: use ${hint}`;
  }
  return undefined;
}
