import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { errnoOf } from '../errors.ts';

/** A file of the built page, as it is sent. */
export interface Asset {
  readonly type: string;
  /** By content encoding; `identity` is always there. */
  readonly bodies: Readonly<Record<string, Buffer>>;
}

export interface PageFiles {
  /** `index.html`, in two halves: what differs between two mounts stands between them. */
  readonly document: string;
  /** By name below `assets/`. Each name has the hash of its content. */
  readonly assets: ReadonlyMap<string, Asset>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Made by `npm run build` beside each file. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Reads the built page, about 200 KB. Undefined when it was not built. */
export function readPageFiles(folder: string): PageFiles | undefined {
  try {
    const document = readFileSync(join(folder, 'index.html'), 'utf8');
    const names = readdirSync(join(folder, 'assets')).filter((name) => TYPES[extname(name)] !== undefined);
    return {
      document,
      assets: new Map(names.map((name) => [name, readAsset(join(folder, 'assets', name))])),
    };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readAsset(path: string): Asset {
  const packed = ENCODINGS.flatMap(([encoding, ending]) => {
    try {
      return [[encoding, readFileSync(path + ending)] as const];
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  });
  return {
    type: TYPES[extname(path)] ?? 'application/octet-stream',
    bodies: { identity: readFileSync(path), ...Object.fromEntries(packed) },
  };
}
