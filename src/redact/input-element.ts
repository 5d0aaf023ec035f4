import type { Found } from './mask.ts';
import { secretNamed } from './names.ts';
import { isSecretValue } from './secret-value.ts';

const TAG = /[^<>]{1,600}>/y;
const VALUE = /\bvalue=(\\{0,15}["']?)([^"'<>\s\\]{4,400})/;
const NAME = /\b(?:name|id)=\\{0,15}["']?([\w.[\]-]{1,80})/;

/** `<input value="X" name="password">`: in any order, unlike a name that stands before its value. */
export function findInputValue(text: string, end: number): Found | undefined {
  TAG.lastIndex = end;
  const tag = TAG.exec(text)?.[0];
  const value = tag === undefined ? null : VALUE.exec(tag);
  if (tag === undefined || value === null) return undefined;
  const kind = /\btype=\\{0,15}["']?password/i.test(tag)
    ? 'password'
    : secretNamed((NAME.exec(tag)?.[1] ?? '').replace(/\W/g, '_'));
  if (kind === undefined || !isSecretValue(value[2] ?? '', 'setting')) return undefined;
  const last = end + value.index + value[0].length;
  return { start: last - (value[2] ?? '').length, end: last, kind };
}
