import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles the journal as it is now, for a child process; a build that happens to lie about may be an older one. */
export async function compileJournal(): Promise<{ directory: string; journal: string; books: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-compiled-'));
  await mkdir(join(directory, 'out'));
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const compilerOptions = { noEmit: false, declaration: false, isolatedDeclarations: false, outDir: 'out' };
  await writeFile(
    join(directory, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { ...compilerOptions, rootDir: join(ROOT, 'src') },
      files: [join(ROOT, 'src/journal/journal.ts')],
      include: [],
    }),
  );
  await promisify(execFile)(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    directory,
  ]);
  const out = join(directory, 'out');
  return { directory, journal: join(out, 'journal/journal.js'), books: join(out, 'books.js') };
}
