/** The text with each letter 13 places on (ROT13), or back: a form of a secret that no rule of redaction knows. */
export function rotated(text: string): string {
  return text.replace(/[A-Za-z]/g, (letter) => {
    const code = letter.charCodeAt(0) + 13;
    return String.fromCharCode(code > (letter <= 'Z' ? 90 : 122) ? code - 26 : code);
  });
}
