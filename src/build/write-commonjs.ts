import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// A step of the build: for each entry of the package the two files that a CommonJS program gets. The code is the same
// module, loaded by require(esm), which Node has since 20.19: so there is one state, whichever way it is loaded.

const ENTRIES = ['index', 'express', 'bullmq', 'agent', 'client'];

for (const entry of ENTRIES) {
  const exports: Readonly<Record<string, unknown>> = await import(
    new URL(`../${entry}.js`, import.meta.url).href
  );
  write(`${entry}.cjs`, `'use strict';\nmodule.exports = require('./${entry}.js');\n`);
  write(`${entry}.d.cts`, declarationsOf(entry, exports));
}

/** Types come from the module's own declarations. A name that is a value and a type is declared as both. */
function declarationsOf(entry: string, exports: Readonly<Record<string, unknown>>): string {
  const attributes = `with { 'resolution-mode': 'import' }`;
  const module = `import('./${entry}.js', { ${attributes.replace(' {', ': {')} })`;
  const lines = Object.keys(exports).flatMap((name) => {
    const value = `export declare const ${name}: typeof ${module}.${name};`;
    return isClass(exports[name]) ? [value, `export type ${name} = ${module}.${name};`] : [value];
  });
  return [`export type * from './${entry}.js' ${attributes};`, ...lines, ''].join('\n');
}

function isClass(value: unknown): boolean {
  return typeof value === 'function' && value.toString().startsWith('class');
}

function write(name: string, text: string): void {
  writeFileSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), text);
}
