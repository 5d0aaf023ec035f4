export function writeTasks(dir: string, count: number, options?: { readonly isShort?: boolean }): number;
