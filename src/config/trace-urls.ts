import { z } from 'zod';

/** What a template may name; `model/trace-url.ts` puts the values in. */
const PLACEHOLDERS: readonly string[] = ['trace_id', 'task_id', 'workflow_id'];

/** One word in braces, however it is dressed up: Grafana's own JSON has quotes, colons or nothing inside of its braces. */
const BRACED_WORD = /(\$?\{+)\s*([A-Za-z][\w.-]*)\s*\}/g;

/** Shown of a template that is refused: enough to know it by. */
const SHOWN_CHARS = 80;

/** Templates of addresses where a trace can be looked at, with blanks between them; refused with every bad one named. */
export const traceUrls: z.ZodType<readonly string[]> = z.string().transform((value, context) => {
  const templates = [...new Set(value.split(/\s+/).filter(Boolean))];
  const problems = templates.flatMap((template) => {
    const problem = problemOf(template);
    return problem === undefined ? [] : [`${JSON.stringify(template.slice(0, SHOWN_CHARS))} ${problem}`];
  });
  if (problems.length > 0) context.addIssue({ code: 'custom', message: problems.join('; ') });
  return Object.freeze(templates);
});

function problemOf(template: string): string | undefined {
  const [, host] = /^https?:\/\/([^/?#]+)/i.exec(template) ?? [];
  if (host === undefined) return 'is not a URL such as http://localhost:16686/trace/{trace_id}';
  // Whoever may read the API would read them too.
  if (host.includes('@')) return 'has a user or a password in it: leave them out';
  if (host.includes('{')) return 'has a placeholder in its host: put it behind that';
  const misspelt = misspeltIn(template);
  if (misspelt !== undefined) return misspelt;
  if (/%7btrace_id%7d/i.test(template)) return 'has {trace_id} percent-encoded: write its braces as they are';
  if (!template.includes('{trace_id}')) return 'has no {trace_id}';
  if (!URL.canParse(template)) return 'is not a URL that can be parsed';
  return undefined;
}

/** A word that nothing is put in for would stay in every link. */
function misspeltIn(template: string): string | undefined {
  for (const [found, open = '', word = ''] of template.matchAll(BRACED_WORD)) {
    if (open === '{' && PLACEHOLDERS.includes(word)) continue;
    const plain = word.toLowerCase().replaceAll(/[_.-]/g, '');
    const meant = PLACEHOLDERS.find((name) => plain.startsWith(name.replace('_id', '')));
    const hint = meant === undefined ? PLACEHOLDERS.map((name) => `{${name}}`).join(', ') : `{${meant}}`;
    return `has ${found}, which nothing is put in for: use ${hint}`;
  }
  return undefined;
}
