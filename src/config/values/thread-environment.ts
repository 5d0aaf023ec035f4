/** The environment of a thread of this package: as that of this process, without what would load a user's code into it. */
export function threadEnvironment(): Record<string, string | undefined> {
  return { ...process.env, NODE_OPTIONS: undefined };
}
