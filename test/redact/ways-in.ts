import { redact, redactJson, redactNamedText } from '../../src/redact/redact.ts';
import { createPieceRedactor, createStreamRedactor } from '../../src/redact/stream.ts';
import type { Sample } from './forms.ts';

/** What a secret looks like at the end of one way in, and what of the output must not be left. */
export interface Way {
  readonly name: string;
  /** Only for secrets that are known by themselves. */
  readonly tokensOnly?: boolean;
  /** Each piece is passed on before the next one is known. */
  readonly isInPieces?: boolean;
  run(sample: Sample): readonly Outcome[];
}

/** A masked text, and what it must not contain. */
export interface Outcome {
  readonly input: string;
  readonly output: string;
  /** The secret as it is written here. */
  readonly written: string;
  /** How many characters are written for one. */
  readonly scale?: number;
}

type Put = (sample: Sample) => string;

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const escapedAll = (text: string): string =>
  text.replace(/./gs, (char) => `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
const percentAll = (text: string): string =>
  text.replace(/./gs, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);

function plain(name: string, put: Put, more: Partial<Way> = {}): Way {
  return {
    name,
    ...more,
    run: (sample) => {
      const input = put(sample);
      return [{ input, output: redact(input), written: sample.secret }];
    },
  };
}

function json(name: string, put: (sample: Sample) => unknown, more: Partial<Way> = {}): Way {
  return {
    name,
    ...more,
    run: (sample) => {
      const input = JSON.stringify(put(sample));
      return [{ input, output: redactJson(input), written: JSON.stringify(sample.secret).slice(1, -1) }];
    },
  };
}

/** The text encoded as a whole, alone and inside a sentence. */
function encoded(name: string, encode: (text: string) => string, more: Partial<Way> = {}): Way {
  return {
    name,
    ...more,
    run: ({ text, secret }) =>
      ['@', 'It is @ here', 'data=@', '{"a":"@"}'].map((frame) => {
        const input = frame.replace('@', () => encode(text));
        const written = encode(secret);
        return { input, output: redact(input), written, scale: written.length / secret.length };
      }),
  };
}

/** Before the encoded text stand 0, 1 and 2 other bytes: three ways to write each secret in base64. */
function inBase64(name: string, frame: string, more: Partial<Way> = {}): Way {
  return {
    name,
    ...more,
    run: ({ text }) =>
      ['', ' ', '{ '].map((before) => {
        const written = base64(before + frame.replace('@', () => text));
        const input = `value ${written} end`;
        // What stands before the secret may stay.
        return { input, output: redact(input), written: base64(text.slice(-24)).slice(4, -4), scale: 1.2 };
      }),
  };
}

/** Something that does not belong to the secret, at each offset inside it. */
function inside(name: string, between: string, more: Partial<Way> = {}): Way {
  return {
    name,
    ...more,
    run: ({ text, secret }) => {
      const from = text.indexOf(secret);
      return offsets(secret).map((at) => {
        const input = `x ${text.slice(0, from + at)}${between}${text.slice(from + at)} y`;
        // A short rest behind a line break may look like a word.
        const scale = between.includes('n') || between.includes('\n') ? 1.6 : 1;
        return { input, output: redact(input).split(between).join(''), written: secret, scale };
      });
    },
  };
}

function offsets(secret: string): number[] {
  return Array.from({ length: secret.length - 1 }, (_, at) => at + 1);
}

/** A token may be split anywhere. What stands after a name is known from its name, so that its name is not split. */
function streamed(
  name: string,
  make: () => { push(piece: string): string; flush(): string },
  scale: number,
): Way {
  return {
    name,
    isInPieces: scale > 1,
    run: ({ text, secret }) => {
      const line = `x ${text}\n`;
      return Array.from({ length: line.length - 1 }, (_, index) => {
        const at = index + 1;
        const redactor = make();
        const output = redactor.push(line.slice(0, at)) + redactor.push(line.slice(at)) + redactor.flush();
        return { input: `${line.slice(0, at)}|${line.slice(at)}`, output, written: secret, scale };
      });
    },
  };
}

export const WAYS: readonly Way[] = [
  plain('a line', ({ text }) => `${text}\n`),
  plain('between lines', ({ text }) => `first line\n${text}\nlast line\n`),
  plain('prose', ({ text }) => `Then it says ${text} and goes on.`),
  plain('the end of a sentence', ({ text }) => `The value is ${text}.`),
  plain('double quotes', ({ text }) => `said "${text}"`, { tokensOnly: true }),
  plain('single quotes', ({ text }) => `said '${text}'`, { tokensOnly: true }),
  plain('markdown', ({ text }) => `- use \`${text}\` for it`),
  plain('a block of markdown', ({ text }) => `\`\`\`sh\n${text}\n\`\`\`\n`),
  plain('an added line', ({ text }) => `@@ -1 +1 @@\n+${text}\n`),
  plain('a removed line', ({ text }) => `@@ -1 +1 @@\n-${text}\n`),
  plain('a stack trace', ({ text }) => `Error: failed: ${text}\n    at run (/app/index.js:10:5)\n`),
  plain('a log line', ({ text }) => `2026-01-02T03:04:05.678Z INFO [main] ${text}`),
  plain('a comment', ({ text }) => `// ${text}`),
  plain('an indented line', ({ text }) => `\t\t${text}`),
  plain('name=value', ({ text, form }) => `${form.field}=${text}`, { tokensOnly: true }),
  plain('name: value', ({ text, form }) => `${form.field}: ${text}`, { tokensOnly: true }),
  plain('a neutral name=value', ({ text }) => `note=${text}`, { tokensOnly: true }),
  plain('an attribute of XML', ({ text }) => `<add key="note" value="${text}" />`, { tokensOnly: true }),
  plain('an element of HTML', ({ text }) => `<td>${text}</td>`, { tokensOnly: true }),
  plain('a header', ({ text }) => `X-Note: ${text}\r\nAccept: */*\r\n`, { tokensOnly: true }),
  plain('an option of curl', ({ text }) => `curl -H "Authorization: ${text}" https://a.example.com`, {
    tokensOnly: true,
  }),
  plain('curl -u', ({ text }) => `curl -u bob:${text} https://a.example.com`, { tokensOnly: true }),
  plain(
    'the user of a URL',
    ({ text }) => `git clone https://bob:${encodeURIComponent(text)}@a.example.com/o/r`,
    { tokensOnly: true },
  ),
  plain('a query', ({ text }) => `GET /v1/x?a=1&note=${encodeURIComponent(text)}&b=2`, { tokensOnly: true }),
  plain('a fragment', ({ text }) => `https://a.example.com/cb#note=${text}&state=1`, { tokensOnly: true }),
  plain('.npmrc', ({ text }) => `//registry.example.com/:_authToken=${text}\n`, { tokensOnly: true }),
  plain('.netrc', ({ text }) => `machine a.example.com\nlogin bob\npassword ${text}\n`, { tokensOnly: true }),
  plain('.pgpass', ({ text }) => `a.example.com:5432:app:bob:${text}\n`, { tokensOnly: true }),
  plain('a connection string', ({ text }) => `Server=a;Uid=b;Password=${text};Encrypt=true`, {
    tokensOnly: true,
  }),
  plain('a table', ({ text }) => `| key | ${text} |`),
  plain('a list in code', ({ text }) => `const values = ["${text}", 'other'];`, { tokensOnly: true }),
  plain('a shell command', ({ text }) => `$ echo ${text} | base64`),
  json('a JSON string', ({ text }) => text),
  json('a JSON field', ({ text }) => ({ content: text, after: 'kept' })),
  json('a JSON field of the vendor', ({ text, form }) => ({ [form.field]: text })),
  json('a JSON field name', ({ text }) => ({ [text]: 1 })),
  json('JSON in JSON', ({ text }) => ({ body: JSON.stringify({ content: text }) })),
  json('JSON in JSON in JSON', ({ text }) => ({ a: JSON.stringify({ b: JSON.stringify({ c: text }) }) })),
  json('an environment', ({ text }) => ({ env: [text.includes('=') ? text : `NOTE=${text}`] })),
  json('arguments', ({ text }) => ({ args: ['deploy', '--note', text] })),
  json('an option', ({ secret }) => ({ args: ['deploy', '--password', secret] })),
  json('headers in a list', ({ secret }) => ({ rawHeaders: ['Host', 'a', 'Authorization', secret] })),
  json('headers in pairs', ({ secret }) => ({
    headers: [
      ['accept', '*/*'],
      ['x-api-key', secret],
    ],
  })),
  json('an attribute of OTLP', ({ text, form }) => ({
    attributes: [{ key: form.field, value: { stringValue: text } }],
  })),
  json('a secret attribute of OTLP', ({ secret }) => ({
    attributes: [{ key: 'db.password', value: { stringValue: secret } }],
  })),
  json('a name and a value', ({ secret }) => ({ name: 'API_KEY', value: secret })),
  json('a field of a tool', ({ text }) => ({
    type: 'tool_use',
    input: { command: `run '${text}'`, list: [text] },
  })),
  json('a secret field of a tool', ({ secret }) => ({
    input: { url: 'https://a', auth: { password: secret } },
  })),
  {
    name: 'an attribute of a record',
    run: ({ text, secret }) => [{ input: text, output: redactNamedText('note', text), written: secret }],
  },
  {
    name: 'a secret attribute of a record',
    run: ({ secret }) => [{ input: secret, output: redactNamedText('api_key', secret), written: secret }],
  },
  encoded('encodeURIComponent', encodeURIComponent),
  encoded('percent-encoded', percentAll),
  encoded('percent-encoded twice', (text) => encodeURIComponent(encodeURIComponent(text))),
  encoded('escapes', escapedAll),
  encoded('entities', (text) => text.replace(/./gs, (char) => `&#${char.charCodeAt(0)};`)),
  {
    name: 'a JSON string of escapes',
    run: ({ text, secret }) => {
      const input = `{"a":"${escapedAll(text)}"}`;
      const output = redactJson(input);
      return [
        { input, output, written: secret },
        { input, output, written: escapedAll(secret), scale: 6 },
      ];
    },
  },
  inBase64('base64', '@'),
  inBase64('base64 of user:secret', 'bob:@', { tokensOnly: true }),
  inBase64('base64 of a line', 'the value is @ and so on\n'),
  inBase64('base64 of JSON', '{"note":"x","value":"@"}', { tokensOnly: true }),
  inside('a line feed inside', '\n', { tokensOnly: true }),
  inside('CRLF inside', '\r\n', { tokensOnly: true }),
  inside('a continued line inside', '\\\n', { tokensOnly: true }),
  inside('an escaped line feed inside', '\\n', { tokensOnly: true }),
  inside('a colour inside', '\u001b[31m'),
  inside('a character without a width inside', '\u200b'),
  inside('a soft hyphen inside', '\u00ad'),
  streamed('a stream in two chunks', createStreamRedactor, 1),
  streamed(
    'a text in two pieces',
    () => {
      const pieces = createPieceRedactor();
      return { push: (piece) => pieces.mask(piece), flush: () => '' };
      // What was passed on at once: what each secret of this form begins with, and a few characters.
    },
    1.4,
  ),
];

/** What may stay of a secret: fewer characters in a row say nothing. */
const LEFT_CHARS_MAX = 8;

/** Whether more of the secret is left than a few characters. */
export function isLeft({ output, written, input, scale = 1 }: Outcome): boolean {
  if (output === input) return true;
  const size = Math.min(written.length, Math.ceil((LEFT_CHARS_MAX + 1) * scale));
  for (let at = 0; at + size <= written.length; at += 1) {
    if (output.includes(written.slice(at, at + size))) return true;
  }
  return false;
}
