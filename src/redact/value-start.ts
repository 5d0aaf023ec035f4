/** What a value is wrapped in: `Some("X")`, `SecretStr('X')`, `string(18) "X"`, `(string) (len=18) "X"`, a section of XML. */
const WRAPPING = new RegExp(
  [
    `[brufBRUFN@]{1,2}(?=["'])`,
    '(?:[\\w.:]{0,40}\\b)?(?:Some|Ok|Just|Secret|SecretStr|SecretString|SecretText|Redacted|String|str|string|from|bytes|N)\\(\\s{0,4}[bu]?(?=\\\\{0,15}["\'])',
    '(?:string|str)\\(\\d{1,6}\\) (?=\\\\{0,15}")',
    '\\([a-z]{1,12}\\) \\(len=\\d{1,6}\\) (?=\\\\{0,15}")',
    '<!\\[CDATA\\[',
    // A list of texts in JSON, as headers have: its first text.
    '\\[\\s{0,40}(?=\\\\{0,15}")',
    // Three quotation marks: the first two.
    `""(?="[^"])|''(?='[^'])`,
  ].join('|'),
  'y',
);

/** Behind what a value is wrapped in, twice at most. */
export function startOfValue(text: string, at: number): number {
  let start = at;
  for (let depth = 0; depth < 2; depth += 1) {
    WRAPPING.lastIndex = start;
    if (!WRAPPING.test(text)) return start;
    start = WRAPPING.lastIndex;
  }
  return start;
}
