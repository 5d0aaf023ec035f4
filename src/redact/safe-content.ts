import { cutContent } from '../model/content.ts';
import type { JsonValue } from '../model/json.ts';
import { redact, redactJson } from './redact.ts';

/**
 * A content as text that may be stored: masked, then cut. The other way round a secret across the cut would leave a
 * beginning that looks like none. A text that fits is left to whoever masks the record that it stands in: once is enough.
 */
export function safeContent(content: JsonValue): { text: string; originalBytes?: number } {
  const isText = typeof content === 'string';
  const text = isText ? content : JSON.stringify(content);
  const { originalBytes } = cutContent(text);
  if (isText && originalBytes === undefined) return { text };
  const masked = cutContent(isText ? redact(text) : redactJson(text));
  if (masked.originalBytes === undefined) return masked;
  return { text: masked.text, originalBytes: originalBytes ?? masked.originalBytes };
}
