import type { Rule } from '../../src/redact/rules/rule.ts';

/** A secret of a rule, and texts that are nearly one. */
export interface Row {
  readonly secret: string;
  readonly near: readonly string[];
}

const BODIES = ['aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ', '0123456789abcdef'];

/** A row made from the rule itself: its hint with a text of its pattern. */
export function rowOf(rule: Rule): Row {
  const hint = (rule.hints[0] ?? '').replace(/\[(.)[^\]]*\]/g, '$1');
  const before = rule.before === undefined ? '' : filled(rule.before.chars, rule.before.max);
  const body = written(rule.body);
  const near = [`${hint}*${body}`, hint.slice(0, -1)];
  // Of some all characters but the last ones stand before the hint.
  const hasBody = body.length > 1;
  return {
    secret: before + hint + body,
    near: hasBody ? [before + hint, ...near] : [before.slice(4) + hint, ...near],
  };
}

/** A text that the pattern matches: classes, groups and counts as the rules use them. */
function written(pattern: string): string {
  let out = '';
  let rest = pattern.replace(/\(\?[!=](?:[^()]|\([^()]*\))*\)/g, '');
  while (rest !== '') {
    const part = /^(\[[^\]]*\]|\((?:\?:)?((?:[^()]|\([^()]*\))*)\)|\\.|.)(\{(\d+)(?:,\d*)?\}|\?)?/s.exec(
      rest,
    );
    if (part === null) break;
    const [all, one = '', group, count, min] = part;
    rest = rest.slice(all.length);
    const times = count === '?' ? 0 : Number(min ?? 1);
    if (group !== undefined) out += written(group.split('|')[0] ?? '').repeat(times);
    else if (one.startsWith('[')) out += filled(one, times);
    else out += (one === '\\d' ? '7' : one.replace('\\', '')).repeat(times);
  }
  return out;
}

function filled(chars: string, count: number): string {
  const pattern = new RegExp(chars);
  const from = [...`${BODIES[0]}${BODIES[1]}`].filter((char) => pattern.test(char)).join('');
  return from.repeat(Math.ceil(count / from.length)).slice(0, count);
}
