/** The entry of a table for a word of a record. Words such as `constructor` and `__proto__` have none. */
export function known<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
