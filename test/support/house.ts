import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';

const SRC = resolve(import.meta.dirname, '../../src');

export interface Import {
  /** Path below `src`. */
  readonly from: string;
  /** Path below `src`, or the name of a package or built-in module. */
  readonly to: string;
  readonly isOwn: boolean;
  readonly isTypeOnly: boolean;
  /** A dynamic `import()` or `require()`. */
  readonly isLazy: boolean;
}

export interface Reached {
  readonly files: ReadonlySet<string>;
  /** Packages and built-in modules. */
  readonly packages: ReadonlySet<string>;
}

/** The files and imports of `src`, for rules about its structure. */
export class House {
  readonly files: readonly string[];
  readonly imports: readonly Import[];
  readonly #texts: ReadonlyMap<string, string>;

  /** `texts` by path below `src`. */
  constructor(texts: Readonly<Record<string, string>>) {
    this.#texts = new Map(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)));
    this.files = [...this.#texts.keys()];
    this.imports = this.files.flatMap((file) => importsOf(file, this.text(file)));
  }

  static ofSources(): House {
    const names = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.tsx?$/.test(name),
    );
    return new House(
      Object.fromEntries(
        names.map((name) => [name.replaceAll('\\', '/'), readFileSync(join(SRC, name), 'utf8')]),
      ),
    );
  }

  text(file: string): string {
    return this.#texts.get(file) ?? '';
  }

  /** The text of a file without comments and contents of strings. */
  code(file: string): string {
    return this.text(file)
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
  }

  /** All files and packages that these files load, directly or transitively. Type imports load nothing. */
  reachedFrom(starts: readonly string[], { lazyToo }: { readonly lazyToo: boolean }): Reached {
    const files = new Set(starts);
    const packages = new Set<string>();
    const queue = [...starts];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      for (const { from, to, isOwn, isTypeOnly, isLazy } of this.imports) {
        if (from !== file || isTypeOnly || (isLazy && !lazyToo)) continue;
        if (!isOwn) packages.add(packageOf(to));
        else if (!files.has(to)) {
          files.add(to);
          queue.push(to);
        }
      }
    }
    return { files, packages };
  }
}

/** The top-level folder of a file. A file directly in `src` counts as a folder of its own. */
export function roomOf(file: string): string {
  const [first = '', ...rest] = file.split('/');
  if (rest.length > 0) return first;
  return first === 'agent.ts' ? 'agent-entry' : first.replace(/\.ts$/, '');
}

function packageOf(name: string): string {
  if (name.startsWith('node:')) return name;
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function importsOf(file: string, text: string): Import[] {
  const pattern =
    /^(?:import|export)\b(?<clause>[^'"]*?)\bfrom '(?<name>[^']+)'|^import '(?<bare>[^']+)'|\b(?:import|require)\('(?<lazy>[^']+)'\)/gm;
  return [...text.matchAll(pattern)].map(({ groups }) => {
    const name = groups?.name ?? groups?.bare ?? groups?.lazy ?? '';
    const isOwn = name.startsWith('.');
    return {
      from: file,
      to: isOwn ? posix.join(posix.dirname(file), name) : name,
      isOwn,
      isTypeOnly: /^\s*type\b/.test(groups?.clause ?? ''),
      isLazy: groups?.lazy !== undefined,
    };
  });
}
