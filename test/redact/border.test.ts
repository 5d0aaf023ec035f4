import { afterEach, expect, test } from 'vitest';
import { NEXT_CHARS } from '../../src/redact/beginning.ts';
import { HINTS } from '../../src/redact/find.ts';
import { maskSecrets, redact } from '../../src/redact/redact.ts';
import { createPieceRedactor } from '../../src/redact/stream.ts';

const BODY = 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ';
const PLAIN = 'the quick brown fox goes on and on; '.repeat(20);

const SECRETS = [
  `ghp_${BODY}9kX2`,
  `glpat-${BODY.slice(0, 20)}`,
  `${BODY.slice(0, 14)}.atlasv1.${BODY.repeat(2)}abc`,
  `DB_PASSWORD=${BODY.slice(0, 16)}`,
  `https://bob:${BODY.slice(0, 16)}@example.com/`,
  `https://hooks.slack.com/services/T0123456789/B0123456789/${BODY.slice(0, 24)}`,
  `x?sig=${BODY.slice(0, 20)}%2B`,
  `Authorization: Bearer ${BODY}`,
  `curl -u bob:${BODY.slice(0, 16)}`,
  `create user a identified by '${BODY.slice(0, 16)}'`,
];

function pieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
    text.slice(at * size, (at + 1) * size),
  );
}

afterEach(() => maskSecrets([]));

test.each(SECRETS)('the rest of a secret behind plain text is masked, cut at every offset: %s', (secret) => {
  const rest = /[A-Za-z0-9]{8}(?=[^A-Za-z0-9]*(?:example\.com\/|2B)?$)/.exec(secret)?.[0] ?? '';
  expect(rest).not.toBe('');
  for (const before of [PLAIN, `${PLAIN}\n`, '']) {
    // A name is known when it is whole.
    for (let at = 1; at <= secret.indexOf(rest); at += 1) {
      const redactor = createPieceRedactor();
      const text = [`${before}x `, secret.slice(0, at), `${secret.slice(at)} y`]
        .map((piece) => redactor.mask(piece))
        .join('');
      expect(text, `${secret} ${at}`).not.toContain(rest);
      expect(text.startsWith(before)).toBe(true);
    }
  }
});

test.each([1, 2, 5, 47, 48, 49, 200, 401])('a secret in pieces of %i characters is not left', (size) => {
  for (const secret of SECRETS) {
    const redactor = createPieceRedactor();
    const text = pieces(`${PLAIN}${secret} ${PLAIN}`, size)
      .map((piece) => redactor.mask(piece))
      .join('');
    expect(text, secret).not.toContain(secret);
    expect(text.endsWith(PLAIN)).toBe(true);
  }
});

test('a value that only the border gives a name is masked, and one that is named alone too', () => {
  const named = createPieceRedactor();
  expect(named.mask('the x-api') + named.mask('-key: ') + named.mask(`${BODY}\n`)).not.toContain(BODY);
  const alone = createPieceRedactor();
  expect(alone.mask('com') + alone.mask(`pass=${BODY}`)).not.toContain(BODY);
});

test('an own secret is masked over a border at every offset', () => {
  const secret = `trail.${BODY}-${BODY}`;
  maskSecrets([secret]);
  for (let at = 1; at < secret.length; at += 1) {
    const redactor = createPieceRedactor();
    const text = redactor.mask(`${PLAIN}in ${secret.slice(0, at)}`) + redactor.mask(`${secret.slice(at)}.`);
    expect(text, String(at)).not.toContain(secret.slice(at));
  }
});

test('a text that was plain is searched again for secrets that are set later', () => {
  const secret = 'correct horse battery staple';
  expect(redact(secret)).toBe(secret);
  maskSecrets([secret]);
  expect(redact(secret)).toBe('[redacted:own-secret]');
});

test('no hint is longer than the edge of a piece that is looked at', () => {
  expect(HINTS.length).toBeGreaterThan(400);
  const tooLong = HINTS.filter(({ text, next }) => text.length + (next === undefined ? 0 : 1) > 48);
  expect(tooLong.map(({ text }) => text)).toEqual([]);
});

test('a hint has one blank inside at most, and one at each end, unless it begins with dashes', () => {
  const other = HINTS.filter(({ text }) => !/^ ?[^ ]+(?: [^ ]+)? ?$/.test(text) && !text.startsWith('--'));
  expect(other.map(({ text }) => text)).toEqual([]);
});

test('a hint that the continuation of a piece may end begins in its last characters', () => {
  const ends = [1, 2, 3].map((count) => NEXT_CHARS.slice(0, count));
  const early = HINTS.filter(({ text, next, ignoreCase }) => {
    const lower = (part: string): string => (ignoreCase ? part.toLowerCase() : part);
    if (next?.[NEXT_CHARS.charCodeAt(0)] === 1 && text.length > 16) return true;
    return ends.some((end) => text.endsWith(lower(end)) && text.length - end.length > 16);
  });
  expect(early.map(({ text }) => text)).toEqual([]);
});

test('a token with a sign inside is masked at every cut', () => {
  for (const secret of [`Atza|${BODY.repeat(2)}`, `prod:quick-fox-12|${BODY.repeat(2)}`]) {
    for (let at = secret.indexOf('|') + 8; at < secret.length; at += 1) {
      const redactor = createPieceRedactor();
      const text = redactor.mask(`in ${secret.slice(0, at)}`) + redactor.mask(secret.slice(at));
      expect(text, String(at)).not.toContain(BODY.slice(0, 9));
      expect(redact(`curl -u bob:${secret} h`)).not.toContain(BODY.slice(0, 9));
    }
  }
});
