/**
 * Replaces `{name}` for the names of `texts` and leaves other braces alone. Inserted text is not searched again. When the
 * inserted text turns an argument into an option, a space is put in front: an untrusted message must not set flags.
 */
export function fillPlaceholders(arg: string, texts: Readonly<Record<string, string>>): string {
  const filled = arg.replace(/\{([A-Za-z_]+)\}/g, (braces, name: string) =>
    Object.hasOwn(texts, name) ? (texts[name] ?? braces) : braces,
  );
  return filled.startsWith('-') && !arg.startsWith('-') ? ` ${filled}` : filled;
}
