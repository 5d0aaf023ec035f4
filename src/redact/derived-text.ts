import { decode } from './encoded.ts';
import { redact, secretsIn } from './redact.ts';

/** Shorter parts of a secret may be any word. */
const PART_CHARS_MIN = 4;

/**
 * A text that was made of another one, by removing its markup or by cutting it. What shows that something is a secret may
 * have been removed with it: undefined when a secret of the other text is left.
 */
export function redactDerived(text: string, source: string): string | undefined {
  const masked = redact(text);
  if (redact(source) === source) return masked;
  const plain = lettersOf(masked);
  const isLeft = secretsIn(source).some(({ start, end }) => {
    const secret = source.slice(start, end);
    const parts = [secret, decode(secret).text].flatMap((form) => form.split(/[^\p{L}\p{N}]+/u));
    const whole = lettersOf(decode(secret).text);
    return (
      parts.some((part) => part.length >= PART_CHARS_MIN && masked.includes(part)) ||
      (whole.length >= PART_CHARS_MIN && plain.includes(whole))
    );
  });
  return isLeft ? undefined : masked;
}

function lettersOf(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '');
}
