/** `${NAME}` in a text of the configuration file. */
export const REFERENCE: RegExp = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export const OPEN_REFERENCE: string =
  'a "$' + '{" is not the beginning of $' + '{NAME}: close it, and use letters, digits and "_" in the name';

/** Whether a text has a `${` that is no reference, and would be used as it stands. */
export function hasOpenReference(text: string): boolean {
  return text.replaceAll(REFERENCE, '').includes('${');
}
