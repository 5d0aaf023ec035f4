/**
 * Replaces `{name}` where `texts` has that name; any other braces stay. One pass: a text that contains `{phase}`
 * is not filled again. An argument that only becomes an option through what is filled in gets a space in front:
 * a stranger's text must not switch the agent's flags.
 */
export function fillPlaceholders(arg: string, texts: Readonly<Record<string, string>>): string {
  const filled = arg.replace(/\{([A-Za-z_]+)\}/g, (braces, name: string) =>
    Object.hasOwn(texts, name) ? (texts[name] ?? braces) : braces,
  );
  return filled.startsWith('-') && !arg.startsWith('-') ? ` ${filled}` : filled;
}
