/** Reasons for which `src/webhooks` refuses a delivery; each one is a fixed word. */
const WORDS: ReadonlySet<string> = new Set([
  'encoded_body',
  'event_mismatch',
  'flood',
  'malformed_challenge',
  'malformed_form',
  'malformed_json',
  'malformed_origin',
  'malformed_signature',
  'malformed_timestamp',
  'missing_signature',
  'missing_timestamp',
  'nested_too_deep',
  'no_events',
  'no_secret',
  'overloaded',
  'parsed_body',
  'slow_body',
  'stale_timestamp',
  'too_large',
  'too_many_events',
  'too_many_values',
  'unreadable_body',
  'wrong_signature',
  'wrong_token',
]);

/** Reasons why a valid delivery started no task. They are sentences for people, so each one is mapped to a word. */
const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/; a part of it is too long to be searched$/, 'too_long'],
  [/^no .* in the text$|^no command$/, 'no_trigger'],
  [/^unknown command /, 'unknown_command'],
  [/^event .* starts nothing$|^message subtype .* starts nothing$/, 'ignored_event'],
  [/^the sender is a bot$|^the author is an app$|^bot ".*" is ignored$/, 'bot'],
  // `only` and `ignore` of a sender of the configuration.
  [/ is ignored$|^there is no [^;]*; only .* counts$| starts nothing; only .* does$/, 'filtered'],
  [/^the sender checks the address$/, 'handshake'],
  [/^there is no text|^the text at .* is empty$/, 'no_text'],
  [
    /^neither a comment nor the description is new$|^the text is not new$|before it was changed$/,
    'nothing_new',
  ],
  [/^an edit after more than /, 'old_edit'],
  [
    /^(?:this|another) delivery .*was taken before$|^the same signed body was taken (?:before|at )/,
    'redelivery',
  ],
];

/** Our own reasons are shorter. Bounds the time of the patterns. */
const REASON_CHARS_MAX = 2_000;

/** The label of a reason: one of a few fixed words, `''` without a reason, `other` for an unknown one. */
export function reasonWord(reason: string | null): string {
  if (reason === null || reason === '') return '';
  if (WORDS.has(reason)) return reason;
  // Records of other programs may hold any text as a reason.
  if (reason.length > REASON_CHARS_MAX) return 'other';
  return SENTENCES.find(([pattern]) => pattern.test(reason))?.[1] ?? 'other';
}
