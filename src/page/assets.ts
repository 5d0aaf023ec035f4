import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isJsonObject, type JsonObject, parseObject } from '../model/json.ts';

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
  /** Scripts that a part of the page needs beside those of the document, by the path of its source. */
  readonly scripts: ReadonlyMap<string, readonly string[]>;
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
      scripts: scriptsOf(parseObject(readFileSync(join(folder, 'manifest.json'), 'utf8')) ?? {}),
    };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** From Vite's manifest: a chunk has its file and the names of the chunks that it imports. */
function scriptsOf(manifest: JsonObject): ReadonlyMap<string, readonly string[]> {
  const filesOf = (name: string, seen: Set<string>): readonly string[] => {
    const chunk = manifest[name];
    if (!isJsonObject(chunk) || chunk.isEntry === true || seen.has(name)) return [];
    seen.add(name);
    const { file, imports } = chunk;
    const others = Array.isArray(imports) ? imports.flatMap((one) => filesOf(String(one), seen)) : [];
    return typeof file === 'string' ? [file, ...others] : others;
  };
  return new Map(Object.keys(manifest).map((name) => [name, filesOf(name, new Set())]));
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
