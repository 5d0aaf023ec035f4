import { cutContent } from '../model/content.ts';
import type { JsonValue } from '../model/json.ts';
import { redact, redactJson } from './redact.ts';

/**
 * What is masked of a long content: more than is kept, so that a secret at the end is masked whole. Masking takes time for
 * each byte.
 */
const MASKED_BYTES_MAX = 1024 * 1024 + 65_536;

/**
 * Converts a content to text for storage: masked, then truncated. Truncating first could leave the start of a secret
 * that no longer matches a pattern. A text within the limit is returned as it is: it is masked with the record that
 * contains it.
 */
export function safeContent(content: JsonValue): { text: string; originalBytes?: number } {
  const isText = typeof content === 'string';
  const text = isText ? content : JSON.stringify(content);
  const { originalBytes } = cutContent(text);
  if (isText && originalBytes === undefined) return { text };
  const { text: long } = cutContent(text, MASKED_BYTES_MAX);
  const masked = cutContent(isText ? redact(long) : redactJson(long));
  if (masked.originalBytes === undefined) return masked;
  return { text: masked.text, originalBytes: originalBytes ?? masked.originalBytes };
}
