export function findWords(name: string, text: string): string[];
