import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..', '..');

/**
 * Copies the built package to `directory`, with links to the installed dependencies except `missing`, as after an
 * installation without optional packages. Returns the path of `cli/main.js`.
 */
export async function copyPackageWithout(directory: string, missing: readonly string[]): Promise<string> {
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(directory, 'package.json'));
  const modules = join(ROOT, 'node_modules');
  for (const entry of await readdir(modules)) {
    if (entry.startsWith('.')) continue;
    const names = entry.startsWith('@')
      ? (await readdir(join(modules, entry))).map((name) => `${entry}/${name}`)
      : [entry];
    for (const name of names.filter((one) => !missing.includes(one))) {
      const link = join(directory, 'node_modules', name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(modules, name), link, 'dir');
    }
  }
  return join(directory, 'dist', 'cli', 'main.js');
}
