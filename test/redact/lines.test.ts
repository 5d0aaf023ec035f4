import { expect, test } from 'vitest';
import { redact, redactJson } from '../../src/redact/redact.ts';
import { createPieceRedactor, createStreamRedactor } from '../../src/redact/stream.ts';
import { FORMS, randomOf, type Sample, sampleOf } from './forms.ts';

/** What may stay of a secret: fewer characters in a row say nothing. */
const LEFT_CHARS_MAX = 8;

const SEEDS = [1, 2, 3, 4, 5, 6];

function shuffled(samples: readonly Sample[], random: () => number): Sample[] {
  return samples
    .map((sample) => ({ sample, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ sample }) => sample);
}

/** The part without the prefix that the form is known by. */
function bodyOf({ secret, isToken }: Sample): string {
  return isToken ? secret.slice(secret.length - Math.floor(secret.length / 2)) : secret;
}

function isLeft(output: string, body: string): boolean {
  const size = Math.min(body.length, LEFT_CHARS_MAX + 1);
  for (let at = 0; at + size <= body.length; at += 1)
    if (output.includes(body.slice(at, at + size))) return true;
  return false;
}

const WAYS: Readonly<Record<string, (lines: readonly string[]) => string>> = {
  text: (lines) => redact(`${lines.join('\n')}\n`),
  CRLF: (lines) => redact(`${lines.join('\r\n')}\r\n`),
  'indented text': (lines) => redact(lines.map((line) => `    ${line}\n`).join('')),
  'a string of JSON': (lines) => redactJson(JSON.stringify({ content: lines.join('\n') })),
  'JSON inside JSON': (lines) =>
    redactJson(JSON.stringify({ content: JSON.stringify({ text: lines.join('\n') }) })),
  'pieces of a line': (lines) => {
    const pieces = createPieceRedactor();
    return lines.map((line) => pieces.mask(`${line}\n`)).join('');
  },
  'a stream in chunks of 37 characters': (lines) => {
    const stream = createStreamRedactor();
    const text = `${lines.join('\n')}\n`;
    let out = '';
    for (let at = 0; at < text.length; at += 37) out += stream.push(text.slice(at, at + 37));
    return out + stream.flush();
  },
};

for (const [way, masked] of Object.entries(WAYS)) {
  test(`no form survives in a list of them, one a line: ${way}`, () => {
    const left = new Set<string>();
    for (const seed of SEEDS) {
      const random = randomOf(seed * 104_729);
      const samples = shuffled(
        FORMS.map((form) => sampleOf(form, random)),
        random,
      );
      const output = masked(samples.map(({ text }) => text));
      for (const [index, sample] of samples.entries())
        if (isLeft(output, bodyOf(sample))) left.add(`${samples[index - 1]?.text}\n${sample.text}`);
    }
    expect([...left]).toEqual([]);
  });
}
