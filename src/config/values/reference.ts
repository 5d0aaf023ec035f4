import { readSecretFile, type SecretFileOptions } from '../file/secret-file.ts';

/** `${NAME}` in a text of the configuration file. */
export const REFERENCE: RegExp = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export const OPEN_REFERENCE: string =
  'a "$' + '{" is not the beginning of $' + '{NAME}: close it, and use letters, digits and "_" in the name';

/** Whether a text has a `${` that is no reference, and would be used as it stands. */
export function hasOpenReference(text: string): boolean {
  return text.replaceAll(REFERENCE, '').includes('${');
}

export interface FilledText {
  readonly text: string;
  /** With the names of variables, never their values. */
  readonly problems: readonly string[];
}

/** Replaces `${NAME}` from the environment, or from the file that `NAME_FILE` names, so that a shared file needs to hold no secret. */
export function fillReferences(text: string, env: SecretFileOptions): FilledText {
  const problems: string[] = [];
  const filled = text.replaceAll(REFERENCE, (_, variable: string) => {
    const file = readSecretFile(variable, env);
    if (file !== undefined && 'problem' in file) problems.push(file.problem);
    const value = file !== undefined && 'value' in file ? file.value : (env.variables[variable] ?? '');
    if (value === '' && file === undefined) problems.push(`${variable} is not set`);
    return value;
  });
  if (hasOpenReference(text)) problems.push(OPEN_REFERENCE);
  return { text: filled, problems };
}
