/**
 * C0, C1 and DEL, invisible characters and those that change the direction of text, and the line ends U+2028 and U+2029.
 * The joiners stay in text, because emoji and some scripts need them.
 */
export const UNSAFE: RegExp = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** As `UNSAFE`, for a text that may have several lines. */
export const UNSAFE_IN_TEXT: RegExp = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
