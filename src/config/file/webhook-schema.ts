import { z } from 'zod';
import { WEBHOOK_PRESETS, type WebhookPreset } from '../../model/webhook-presets.ts';
import type { Frozen, Optional, Strict, Texts } from './schema-shapes.ts';

const path: z.ZodString = z
  .string()
  .regex(/^[^.\s][^.]*(?:\.[^.]+)*$/, 'use names with dots between them: issue.fields.text');
const header: z.ZodString = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'use the name of a header')
  .toLowerCase();

/** Fields of `source_metadata` that every task of a webhook has. */
const OWN_FIELDS: readonly string[] = ['provider', 'event_type', 'webhook_id', 'command'];

function problemOfField(field: string): string | undefined {
  if (OWN_FIELDS.includes(field)) return 'this field is set already; choose another name';
  return /^[a-z][a-z0-9_]{0,63}$/.test(field) ? undefined : 'use small letters, digits and "_" in its name';
}

type Path = z.ZodString;
type Paths = z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]>;
type Values = z.ZodRecord<
  z.ZodString,
  z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>>
>;

const paths: Paths = z.union([path, z.array(path).min(1)]);
const values: Values = z.record(z.string(), z.array(z.union([z.string(), z.number(), z.boolean()])));

type HandshakeShape = {
  methods: Optional<z.ZodArray<Texts<'HEAD' | 'OPTIONS'>>>;
  when: Optional<Values>;
  answer: Optional<z.ZodRecord<z.ZodString, z.ZodUnknown>>;
};

/** How a sender proves who it is: `webhooks.<name>`, first part. */
const SCHEME = {
  header: header
    .exactOptional()
    .describe('The header with the signature or, with the algorithm `token` or `basic`, with the secret.'),
  signature: path
    .exactOptional()
    .describe('Path of the signature or token in the body, instead of a header.'),
  query: z.string().min(1).exactOptional().describe('The parameter of the address with the token.'),
  algorithm: z
    .enum(['sha1', 'sha256', 'sha512', 'ed25519', 'token', 'basic'])
    .exactOptional()
    .describe(
      'An HMAC, or `ed25519`; `token`: the secret itself is sent; `basic`: as the password of HTTP Basic. Default `sha256`.',
    ),
  encoding: z
    .enum(['hex', 'base64'])
    .exactOptional()
    .describe('How the signature is written. Default `hex`.'),
  prefix: z.string().exactOptional().describe('Text before the signature, for example `sha256=`.'),
  separator: z
    .string()
    .min(1)
    .exactOptional()
    .describe(
      'The text between several signatures. Entries with another prefix are skipped. Default: one signature.',
    ),
  signed: z
    .string()
    .min(1)
    .exactOptional()
    .describe(
      'The signed parts in their order, with the text between them: `{body}`, `{timestamp}`, `{id}`, `{url}`, `{header:<name>}`, `{body:<path>}`. Default `{body}`.',
    ),
  url: z.string().min(1).exactOptional().describe('The address as the sender knows it, for `{url}`.'),
  secret_encoding: z
    .enum(['utf8', 'base64', 'hex'])
    .exactOptional()
    .describe('How the secret is written; with `base64`, `whsec_` before it is left out. Default `utf8`.'),
  timestamp: path.exactOptional().describe('Path of the time of the delivery.'),
  timestamp_header: header.exactOptional().describe('The header with that time.'),
  timestamp_prefix: z
    .string()
    .min(1)
    .exactOptional()
    .describe('The text before that time, when it stands beside the signatures: `t=`.'),
  tolerance_seconds: z
    .number()
    .positive()
    .exactOptional()
    .describe("A delivery whose time is further away from this machine's clock is refused. Default `300`."),
} as const;

/** Where the fields of an event stand: `webhooks.<name>`, second part. */
const READING = {
  message: paths
    .exactOptional()
    .describe(
      "Path of the person's text in the body: `issue.fields.0.text`; of several the first one with a text.",
    ),
  markup: z
    .enum(['markdown', 'html', 'text', 'jira', 'slack'])
    .exactOptional()
    .describe(
      "How that text is written, to tell the person's own words from code and quotations. Default `markdown`.",
    ),
  command_text: z
    .boolean()
    .exactOptional()
    .describe('`true`: the text is a command without the trigger before it, as that of a slash command.'),
  event_type: paths
    .exactOptional()
    .describe('Path of the type of event; several are joined with dots. Default: the type is `webhook`.'),
  event_type_header: header.exactOptional().describe('The header with the type of event.'),
  action: paths.exactOptional().describe('Path of the action, for `only` and `ignore`.'),
  author: paths.exactOptional().describe('Path of the name of the author, for `only` and `ignore`.'),
  bot: paths
    .exactOptional()
    .describe('Path of the mark of a bot. Default of `ignore.bot`: `true`, `bot` and `app`.'),
  identity: paths
    .exactOptional()
    .describe(
      'Path of the id of the comment or message itself; several are joined. The same one starts a command once.',
    ),
  delivery_id: paths.exactOptional().describe('Path of the id that a repeated delivery has in common.'),
  delivery_id_header: z
    .union([header, z.array(header).min(1)])
    .exactOptional()
    .describe('The header with that id.'),
  events: z
    .string()
    .regex(/^(?:\.|[^.\s][^.]*(?:\.[^.]+)*)$/, 'use names with dots between them, or "." for the body')
    .exactOptional()
    .describe('Path of the list of events in a body with several; `.`: the body is the list.'),
  only: values
    .exactOptional()
    .describe(
      'Values by `event`, `action`, `author`, `bot` or a path: other deliveries start nothing. `*` stands for any text, `""` for a missing field.',
    ),
  ignore: values.exactOptional().describe('Deliveries with one of these values start nothing.'),
  handshake: z
    .strictObject({
      methods: z
        .array(z.enum(['HEAD', 'OPTIONS']))
        .exactOptional()
        .describe(
          'Requests that are answered without authentication: `HEAD`, and `OPTIONS` as CloudEvents says.',
        ),
      when: values.exactOptional().describe('Values by path that mark a delivery which checks the address.'),
      answer: z
        .record(z.string(), z.unknown())
        .exactOptional()
        .describe(
          'The answer to it: `{<path>}` is replaced from the body, `{hmac:<path>}` by its HMAC in hex.',
        ),
    })
    .exactOptional(),
  answer: z
    .record(z.string(), z.unknown())
    .exactOptional()
    .describe('The answer to deliveries, with status 200; `{words}` says what was started.'),
  source_metadata: z
    .record(z.string(), path)
    .superRefine((fields, issues) => {
      for (const key of Object.keys(fields)) {
        const problem = problemOfField(key);
        if (problem !== undefined) issues.addIssue({ code: 'custom', path: [key], message: problem });
      }
    })
    .exactOptional()
    .describe('More fields for `source_metadata`, each with the path of its value.'),
  command: z
    .string()
    .min(1)
    .exactOptional()
    .describe('The command that each delivery starts. Default: the command after the trigger in the text.'),
  // V8 cannot make a string of more than twice this length, and parsing needs one.
  body_bytes_max: z
    .int()
    .min(1)
    .max(268_435_456)
    .exactOptional()
    .describe('A longer body is refused. Default: 5 MiB.'),
} as const;

type SchemeShape = {
  header: Optional<z.ZodString>;
  signature: Optional<Path>;
  query: Optional<z.ZodString>;
  algorithm: Optional<Texts<'sha1' | 'sha256' | 'sha512' | 'ed25519' | 'token' | 'basic'>>;
  encoding: Optional<Texts<'hex' | 'base64'>>;
  prefix: Optional<z.ZodString>;
  separator: Optional<z.ZodString>;
  signed: Optional<z.ZodString>;
  url: Optional<z.ZodString>;
  secret_encoding: Optional<Texts<'utf8' | 'base64' | 'hex'>>;
  timestamp: Optional<Path>;
  timestamp_header: Optional<z.ZodString>;
  timestamp_prefix: Optional<z.ZodString>;
  tolerance_seconds: Optional<z.ZodNumber>;
};

type ReadingShape = {
  message: Optional<Paths>;
  command_text: Optional<z.ZodBoolean>;
  event_type: Optional<Paths>;
  event_type_header: Optional<z.ZodString>;
  action: Optional<Paths>;
  author: Optional<Paths>;
  bot: Optional<Paths>;
  identity: Optional<Paths>;
  delivery_id: Optional<Paths>;
  delivery_id_header: Optional<Paths>;
  events: Optional<z.ZodString>;
  only: Optional<Values>;
  ignore: Optional<Values>;
  handshake: Optional<Strict<HandshakeShape>>;
  answer: Optional<z.ZodRecord<z.ZodString, z.ZodUnknown>>;
  source_metadata: Optional<z.ZodRecord<z.ZodString, z.ZodString>>;
  command: Optional<z.ZodString>;
  body_bytes_max: Optional<z.ZodInt>;
};

type SenderShape = {
  preset: Optional<Texts<WebhookPreset>>;
  secret: z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]>;
};

export const webhookSchema: Strict<SenderShape & SchemeShape & ReadingShape> = z
  .strictObject({
    preset: z
      .enum(WEBHOOK_PRESETS)
      .exactOptional()
      .describe(
        'The vendor, whose signature and fields are known: then only `secret` is needed, and other keys win.',
      ),
    secret: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .describe(
        `One secret, or a list while one replaces another; \`\${NAME}\` is replaced from the environment, or from the file that \`NAME_FILE\` names.`,
      ),
    ...SCHEME,
    ...READING,
  })
  .superRefine(({ preset, header, signature, query, message }, issues) => {
    if (preset !== undefined) return;
    const missing = (key: string, what: string): void =>
      issues.addIssue({ code: 'custom', path: [key], message: `name ${what}, or a preset` });
    if (header === undefined && signature === undefined && query === undefined)
      missing('header', 'the header with the signature');
    if (message === undefined) missing('message', 'the path of the text');
  });

export type WebhookConfig = Frozen<z.output<typeof webhookSchema>>;
