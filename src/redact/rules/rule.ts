/** One form of secret. A row of a table: the engine finds the hint, then tries the body there. */
export interface Rule {
  /** What the mask says: `[redacted:github-token]`. */
  readonly kind: string;
  /**
   * The text that each secret of this form contains, at least three characters. The hints of all rules together are found
   * in one pass over the text. A set in brackets, `SK[0-9a-f]`, stands for one hint for each of its characters.
   */
  readonly hints: readonly string[];
  /** Pattern of what follows the hint. Nothing may follow an unbounded repetition: the time stays linear. */
  readonly body: string;
  /** Pattern of one character before the hint, and how many of them belong to the secret. */
  readonly before?: { readonly chars: string; readonly min: number; readonly max: number };
  /** The hint is no secret and stays, such as the host of a webhook. */
  readonly keepsHint?: boolean;
  /**
   * Whether the secret may follow a letter or a digit directly. By default it may not: kebab-case (`disk-ant-...`) and
   * base64 contain short hints by chance.
   */
  readonly anywhere?: boolean;
}
