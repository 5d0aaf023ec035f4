// Not imported: as modules, the parts of Node below take longer to load than an event takes to record.
const { readFileSync } = process.getBuiltinModule('node:fs');
const { createRequire, wrap } = process.getBuiltinModule('node:module');
const { dirname } = process.getBuiltinModule('node:path');
const { fileURLToPath } = process.getBuiltinModule('node:url');
const { Script } = process.getBuiltinModule('node:vm');

/** `emit` in one file, and what V8 made of it when it ran for the first time. */
export interface EmitFiles {
  readonly code: string;
  readonly cache: string;
}

export type Emit = (args: readonly string[]) => Promise<number>;

/** Where the build puts both: beside this. */
export function emitFiles(): EmitFiles {
  const code = fileURLToPath(new URL('emit.cjs', import.meta.url));
  return { code, cache: `${code}.cache` };
}

/** Loads the file; `compiled` gives what V8 makes of it, at any time after. */
export function loadEmit({ code, cache }: EmitFiles): { readonly emit: Emit; compiled(): Buffer } {
  // Another version of V8 refuses the cache, and compiles.
  const script = new Script(wrap(readFileSync(code, 'utf8')), {
    filename: code,
    cachedData: readFileSync(cache),
  });
  const module: { exports: { emit?: Emit } } = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(code), module, code, dirname(code));
  const { emit } = module.exports;
  if (emit === undefined) throw new TypeError(`${code} is not what the build made`);
  return { emit, compiled: () => script.createCachedData() };
}

/** The build puts this in the place of `emit.ts`: the same, in a third of the time. */
export function emit(args: readonly string[]): Promise<number> {
  return loadEmit(emitFiles()).emit(args);
}
