import { z } from 'zod';
import type { ValueKind } from './value-kinds.ts';

/**
 * Origins as browsers write them in `Origin` (RFC 6454, 6.2). `*` is refused: without a token every page that a user of
 * this machine opens could read and start tasks. `null` is refused: any page can make a frame with it.
 */
export const ORIGINS: ValueKind<readonly string[]> = {
  type: 'origins with commas',
  schema: z.string().transform((value, context) => {
    const origins = value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    for (const origin of origins) {
      if (isOrigin(origin)) continue;
      context.addIssue(
        `${JSON.stringify(origin)} is not an origin: use scheme, host and port such as https://app.example, without a path and without *`,
      );
    }
    return [...new Set(origins)];
  }),
};

function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, origin } = new URL(text);
  // Browsers give pages of extensions and of shells such as Electron an origin with a scheme of their own.
  return protocol === 'http:' || protocol === 'https:' ? origin === text : true;
}
