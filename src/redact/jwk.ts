import type { Found } from './mask.ts';

/** The member that says what kind of key a JSON Web Key is, with what may follow it. */
export const JWK_HINT = 'kty["\':= \\]';

/** Members of a private or a shared key (RFC 7518, 6.2.2, 6.3.2 and 6.4.1). */
export const JWK_SECRETS: ReadonlySet<string> = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']);

/** A key of RSA with 8,192 bits has 6 KB. */
const OBJECT_CHARS_MAX = 8_000;

const MEMBER =
  /\\{0,15}["']?\b([dkpq]|d[pq]|qi)\\{0,15}["']?\s{0,8}[:=]\s{0,8}\\{0,15}["']([A-Za-z0-9_+/=-]{8,})/g;

/** The secret members of the key in whose text the hint stands, not before `from`; and where its text ends. */
export function findKeyMembers(
  text: string,
  at: number,
  from: number,
): { found: readonly Found[]; end: number } {
  const before = text.slice(Math.max(from, at - OBJECT_CHARS_MAX), at);
  const open = before.lastIndexOf('{');
  const behind = text.slice(at, at + OBJECT_CHARS_MAX);
  const close = behind.indexOf('}');
  const end = at + (close < 0 ? behind.length : close);
  if (open < 0 || !/^kty\\{0,15}["']?\s{0,8}[:=]/.test(behind.slice(0, 48))) return { found: [], end: at };
  const start = at - before.length + open;
  const found = [...text.slice(start, end).matchAll(MEMBER)].map(({ index, 0: member, 2: value = '' }) => {
    const last = start + index + member.length;
    return { start: last - value.length, end: last, kind: 'private-key' };
  });
  return { found, end };
}
