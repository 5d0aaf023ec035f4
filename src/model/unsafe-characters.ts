/**
 * C0, C1 and DEL, invisible characters and those that change the direction of text, and the line ends U+2028 and U+2029.
 * Joiners and selectors of variants stay in text, because emoji and some scripts need them: one at a time. Two that follow
 * each other mean nothing, and a row of them carries a hidden text.
 */
export const UNSAFE: RegExp =
  /(?![\p{Join_Control}\p{Variation_Selector}])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?<=\p{Join_Control})\p{Join_Control}|(?<=\p{Variation_Selector})\p{Variation_Selector}/gu;

/** As `UNSAFE`, for a text that may have several lines. */
export const UNSAFE_IN_TEXT: RegExp =
  /(?![\n\t\p{Join_Control}\p{Variation_Selector}])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?<=\p{Join_Control})\p{Join_Control}|(?<=\p{Variation_Selector})\p{Variation_Selector}/gu;
