import { resolve } from 'node:path';
import { readBoundedText } from './bounded-text.ts';

/** Longer than any key or list of secrets; a file of this length is another file. */
const BYTES_MAX = 65_536;

/** A secret that stands in the file which `<NAME>_FILE` names, as Docker and Kubernetes hand secrets over. */
export type SecretFile = { readonly path: string } & (
  | { readonly value: string }
  /** With the name of the variable, and without the content. */
  | { readonly problem: string }
);

export interface SecretFileOptions {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** For a relative path. */
  readonly cwd: string;
}

/** Undefined when `<NAME>_FILE` is not set. One newline at the end is not a part of the secret. */
export function readSecretFile(name: string, { variables, cwd }: SecretFileOptions): SecretFile | undefined {
  const variable = `${name}_FILE`;
  const given = variables[variable] ?? '';
  if (given === '') return undefined;
  const path = resolve(cwd, given);
  if ((variables[name] ?? '') !== '')
    return { path, problem: `${name} and ${variable} are both set: leave one out` };
  const read = readBoundedText(path, { bytesMax: BYTES_MAX });
  if ('problem' in read) return { path, problem: `${variable}: ${problemOf(read, given)}` };
  const value = read.text.replace(/\r?\n$/, '');
  return value === '' ? { path, problem: `${variable}: ${path} is empty` } : { path, value };
}

/** The variable may hold the secret itself by mistake: only what looks like a path is shown. */
function problemOf(read: { readonly problem: string; readonly isMissing: boolean }, given: string): string {
  const isPath = /^(?:\.{0,2}\/|[A-Za-z]:\\)/.test(given);
  if (read.isMissing) return isPath ? `there is no file ${given}` : 'there is no file of this name';
  return isPath ? `${given} ${read.problem}` : read.problem.replace(/:.*/s, '');
}
