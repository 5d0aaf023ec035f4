import { firstOfText } from '../../model/text.ts';

/** Length of an indexed word, in UTF-16 units. Longer ones are cut: the files say whether the whole word is there. */
const WORD_MAX = 64;

/** A character of a script that is written without spaces between words, or whose words change at their ends. */
const DENSE_CHARACTER =
  /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u30fc]$/u;

/** A symbol such as an emoji or a half of a flag; characters of a dense script; a word of any other. */
const WORDS =
  /([\p{Extended_Pictographic}\p{Regional_Indicator}])|([\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u30fc]+)|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u30fc])[\p{L}\p{M}\p{N}])+/gu;
const BEYOND_ASCII = /[\u0080-\uffff]/;

const WORD_CHARACTER = /^[\p{L}\p{M}\p{N}]$/u;

/** The form in which texts are compared: without case, and without differences of width and of display. */
export function normalized(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\ufe0e\ufe0f]/g, '');
}

/**
 * Calls `add` with each word of a normalized text, as the index has it. `src/a.ts` gives three words. A run of a dense
 * script gives its characters and each pair of neighbours.
 */
export function forEachWord(text: string, add: (word: string) => void): void {
  if (!BEYOND_ASCII.test(text)) {
    forEachAsciiWord(text, add);
    return;
  }
  for (const [word, symbol, dense] of text.matchAll(WORDS)) {
    if (symbol !== undefined || dense === undefined) add(cut(word));
    else {
      let last = '';
      for (const character of dense) {
        add(character);
        if (last !== '') add(last + character);
        last = character;
      }
    }
  }
}

/** Whether the tokenizer `ascii` of SQLite gives the words of `forEachWord`: it cuts no long ones, and knows ASCII alone. */
export function isPlainText(text: string): boolean {
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 128 || code === 0) return false;
    const isPart = (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90);
    length = isPart ? length + 1 : 0;
    if (length > WORD_MAX) return false;
  }
  return true;
}

/** Most texts are ASCII: a loop takes a third of the time of a pattern. */
function forEachAsciiWord(text: string, add: (word: string) => void): void {
  let start = -1;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const isPart = (code >= 97 && code <= 122) || (code >= 48 && code <= 57);
    if (isPart) {
      if (start < 0) start = at;
    } else if (start >= 0) {
      add(cut(text.slice(start, at)));
      start = -1;
    }
  }
  if (start >= 0) add(cut(text.slice(start)));
}

/** What a searched text is in the index. */
export interface SoughtWords {
  /** All of them stand in a text that has the searched one. */
  readonly words: readonly string[];
  /** Whether a text with these words has the searched one: no look into the files is needed. */
  readonly isExact: boolean;
}

export function soughtWords(text: string): SoughtWords {
  const found: string[] = [];
  const spans: string[] = [];
  for (const [word, , dense] of text.matchAll(WORDS)) {
    spans.push(word);
    const characters = dense === undefined ? [] : [...dense];
    if (characters.length < 2) found.push(cut(word));
    else
      for (const [index, character] of characters.slice(0, -1).entries())
        found.push(character + characters[index + 1]);
  }
  const words = [...new Set(found)];
  return { words, isExact: spans.length === 1 && words.length === 1 && words[0] === text };
}

/** Whether a character is part of words of letters or digits: then a word ends only where another character stands. */
export function isPlainCharacter(character: string): boolean {
  return WORD_CHARACTER.test(character) && !DENSE_CHARACTER.test(character);
}

function cut(word: string): string {
  return word.length <= WORD_MAX ? word : firstOfText(word, WORD_MAX);
}
