import { isMask } from './mask.ts';
import { secretNamed } from './names.ts';

/**
 * How much the place says about the value. `field`: a real field, attribute or header of this name. `setting`: text in a
 * form that only settings have. `text`: anything else, also source code, so that the value must look like a secret.
 * `prose`: a word behind a word, which must look like nothing else.
 */
export type Place = 'field' | 'setting' | 'text' | 'prose';

/** `$NAME`, `${...}`, `$(...)`, `{{...}}`, `<name>`, `%NAME%`, `%s`, `#{...}`: the secret stands elsewhere. */
const REFERENCE =
  /^(?:\$[A-Za-z_{(]|\$$|\{\{|\{[\w.]{0,60}\}|<|%[A-Za-z_]{1,60}%|%\(|%[sdqv]|#\{|@\{|\*+$|(?:process|import\.meta|Deno|Bun)\.env|os\.(?:environ|[Gg]etenv)|ENV\[|env\.[A-Za-z_]|secrets\.[A-Za-z_]|vars?\.[A-Za-z_]|op:\/\/|vault:|arn:|ref\+|file:|(?:secret_version=)?projects\/[\w-]{1,64}\/(?:secrets|locations)\/)/;

const NUMBER =
  /^[+-]?(?:\d[\d_,.]*(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F_]{1,16})(?:ms|s|m|h|d|kb|mb|gb|px|em|%)?n?$/i;

/** Keys of some services are digits only; counts and durations are shorter. */
const LONG_NUMBER = /^\d{8,}$/;

/** `cookie` is a package, too. */
const VERSION = /^[~^>=<v ]{0,4}\d{1,4}(?:\.\d{1,6}){1,3}(?:-[\w.]{1,20})?$/;

/** Stand for no value, or for the type of one. */
const WORDS: ReadonlySet<string> = new Set([
  '',
  'true',
  'false',
  'null',
  'none',
  'nil',
  'undefined',
  'nan',
  'yes',
  'no',
  'on',
  'off',
  'string',
  'str',
  'number',
  'int',
  'boolean',
  'bool',
  'bytes',
  'object',
  'any',
  'unknown',
  'void',
  'never',
  'text',
  'required',
  'optional',
  'redacted',
  'masked',
  'hidden',
  'removed',
  'empty',
  'default',
  'auto',
  'bearer',
  'basic',
  'digest',
  'include',
  'omit',
  'same-origin',
  'inherit',
  'set',
  'unset',
  'missing',
  'invalid',
  'valid',
  'ok',
  'denied',
  'granted',
]);

const FILLER = /^(?:[*x•.…_?#-]+|\[[A-Za-z ]{0,20}\])$/i;

/** `your-token`, `my_api_key`, `<...>`: examples of a manual. */
const EXAMPLE = /^(?:your|insert|enter|replace|put|add|use|some|the)[-_ .](?!\d)/i;

/** Names of algorithms and encodings have digits, and are no secrets. */
const ALGORITHM =
  /^(?:u?int\d+|float\d+|uint8array|sha-?\d+|hs\d+|rs\d+|es\d+|ps\d+|md5|base-?\d+|utf-?\d+|latin1|oauth-?\d?|http\/?\d?|v\d+(?:\.\d+)*|es20\d\d|ed25519|x25519|aes-?\d+(?:-\w+)?|p-?256|h2|k8s|s3|ec2|i18n|l10n|a11y|x509|pkcs\d+)$/i;

/** `HMAC-SHA256`, `RSA-OAEP-256`, `sha256WithRSAEncryption`, `ECDSA-P256`: made of names of algorithms only. */
const ALGORITHMS =
  /^(?:(?:aws4|hmac|rsa|rsassa|oaep|pss|pkcs1|ecdsa|ecdh|dsa|eddsa|ed25519|x25519|aes|gcm|cbc|ctr|siv|chacha20|poly1305|pbkdf2|hkdf|scrypt|argon2id?|bcrypt|sha|sha1|sha2|sha3|sha256|sha384|sha512|md5|blake2[bs]?|blake3|p|p256|p384|p521|secp256[kr]1|prime256v1|with|encryption|signature|padding|v1_5|128|160|192|224|256|384|512|1024|2048|4096)[-_/]?){1,8}$/i;

const COLOUR = /^#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i;

/** `?Optional`, `?.`: a sign of source code with a word. */
const SIGN_AND_WORD = /^\?[A-Za-z]{0,40}\.{0,3}$/;

/** `this.#token`, `other.#record.token`. */
const PRIVATE_FIELD = /^[A-Za-z_$][\w$]{0,60}(?:[?!]?\.#?[A-Za-z_$][\w$]{0,60}){1,8}$/;

/** Words joined by separators, without a digit: `access-token`, `user.password`, `text/plain`, `getToken`. */
const PLAIN_WORDS = /^[A-Za-z]+(?:[-_./: ,]+[A-Za-z]+)*$/;

/** `"__attr_factory_%s"`: words with a place for a value. */
const FORMAT = /^[A-Za-z_ .:/-]{0,80}%(?:s|d|v|q|\(\w{1,40}\)s)[A-Za-z_ .:/-]{0,80}$/;

/** Only escapes, as of a sign that no keyboard has. Those of letters are decoded, and looked at then. */
const ESCAPES = /^(?:\\+(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})){1,16}$/;

/** `AADSTS50079:`: the code of an error, which its message follows. */
const ERROR_CODE = /^[A-Z]{2,12}[-_]?\d{1,6}:$/;

/** `AKID.../20150830/us-east-1/s3/aws4_request`: the name of a key, and what a signature is for. */
const SIGNATURE_SCOPE = /^[A-Za-z0-9]{2,40}(?:\/|%2F)\d{8}(?:\/|%2F)[\w%/-]{1,80}aws4_request$/;

/** `/run/secrets/service.json`: the secret stands in this file. */
const FILE =
  /^(?:\.{1,2}|~|[A-Za-z]:)?[/\\][\w./\\-]{0,200}\.(?:json|pem|key|crt|cer|txt|p12|pfx|jks|ya?ml|toml|ini|env|conf|cfg|properties)$/;

/** Lower bounds: shorter values may be anything, and say little. */
const SETTING_CHARS_MIN = 4;
const TEXT_CHARS_MIN = 6;
const LETTERS_MIN = 8;

/** Whether a value, which stands after the name of a secret, is to be masked. */
export function isSecretValue(value: string, place: Place): boolean {
  if (isMask(value) || WORDS.has(value.toLowerCase()) || FILLER.test(value)) return false;
  if (value.length <= 64 && value.length > 4 && ALGORITHMS.test(value) && !/^\d+$/.test(value)) return false;
  // Long values are no references: this bounds the time of the patterns.
  const head = value.length > 256 ? value.slice(0, 256) : value;
  if (REFERENCE.test(head)) return place === 'field' && !isWholeReference(head);
  if (place === 'field')
    return !VERSION.test(head) && value.trim().length > 2 && !(NUMBER.test(head) && head.length < 6);
  if (VERSION.test(head) || ESCAPES.test(head) || SIGNATURE_SCOPE.test(head) || FILE.test(head)) return false;
  if (NUMBER.test(head)) return place === 'setting' && LONG_NUMBER.test(head);
  if (EXAMPLE.test(head)) return false;
  if (place === 'setting') return value.length >= SETTING_CHARS_MIN && looksSet(head);
  if (place === 'prose' && !isStrong(value) && !(isMixture(value) && /^[A-Za-z0-9][^=]*=*$/.test(head)))
    return false;
  if (place === 'prose' && /=[^=]/.test(head)) return false;
  if (FORMAT.test(head) || ERROR_CODE.test(head)) return false;
  return value.length >= TEXT_CHARS_MIN && looksRandom(head);
}

function isWholeReference(value: string): boolean {
  return /^(?:\$\w*|\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|\{[\w.]*\}|<[^<>]*>|%\w+%|%[sdqv]|#\{.*\}|(?:process|import\.meta|Deno|Bun)\.env\S*|os\.\S+|(?:op|vault|arn|ref\+\w+|file):\S+|\S*(?:env|secrets|vars?)\.\S+)$/s.test(
    value,
  );
}

/** A value of a setting: any but a word that names the secret itself. */
function looksSet(value: string): boolean {
  if (/\s/.test(value)) return false;
  if (!PLAIN_WORDS.test(value)) return !isIdentifierOfSecret(value);
  return value.length >= LETTERS_MIN && !isIdentifierOfSecret(value);
}

/** `GITHUB_TOKEN`, `userPassword`, `token2`. */
function isIdentifierOfSecret(value: string): boolean {
  return (
    /^[A-Za-z_][\w.-]*$/.test(value) &&
    (secretNamed(value) !== undefined || secretNamed(value.replace(/\d+$/, '')) !== undefined) &&
    !/\d{3}/.test(value) &&
    !isStrong(value)
  );
}

/** The characters that something may consist of. */
const ALPHABET = /abcdefghijklmnop|ABCDEFGHIJKLMNOP/;

/** In names of keys of source code. Alone they are no sign of one. */
const ALGORITHM_PARTS =
  /ed(?:25519|448)|x(?:25519|448)|rsa|pss|ecdsa|aes|sha|hmac|mlkem|p?(?:224|256|384|521)|128|192|512|768|1024|2048|3072|4096/gi;

/** `testRSA2048PrivateKey`, `test1024Key`: a name in source code that says how long the key is. */
function isNameOfKey(value: string): boolean {
  if (value.length > 64 || !/^[A-Za-z_][\w.]*$/.test(value)) return false;
  const words = value.replace(ALGORITHM_PARTS, '');
  return words.length < value.length && /(?:key|token|secret|cert)s?$/i.test(words) && PLAIN_NAME.test(words);
}

const PLAIN_NAME = /^(?:[A-Z]?[a-z]{1,20}|[_.])+$/;

/** Kinds whose value a person may have chosen: words, which no token consists of. */
const CHOSEN: ReadonlySet<string> = new Set([
  'password',
  'secret',
  'api-key',
  'access-key',
  'secret-key',
  'account-key',
]);

/** What text and source code say about a secret instead of the secret. */
const ORDINARY =
  /passw|passphrase|secret|token|credential|auth|login|api-?key|your|enter|must|invalid|valid|incorrect|wrong|missing|requir|option|default|provide|generat|encrypt|decrypt|hash|plain|disabl|enabl|undefined|unknown|anonym|function|variable|constant|argument|param|propert|identif|literal|keyword|string|response|request|username|setting|config|environ|internal|external|process|public|private|expected|existing|current|previous|replace|example|sample|dummy|changeit|placeholder|redact|mask|hidden|remov|support|deprecat|available|manage|access|service|server|client|header|cookie|session|input|value|field|object|class|method|element|attribute|readonly|column|varchar|character|number|boolean|integer|buffer|random|anything|something|whatever|nothing/i;

/** A password of words in quotation marks after a name: `password: "correct horse battery"`. */
export function isChosen(value: string, kind: string): boolean {
  if (value.length < LETTERS_MIN || value.length > 128 || !CHOSEN.has(kind)) return false;
  if (isMask(value) || WORDS.has(value.toLowerCase()) || FILLER.test(value) || ALGORITHM.test(value))
    return false;
  if (ORDINARY.test(value) || EXAMPLE.test(value)) return false;
  if (/^[a-z]+$/.test(value)) return true;
  return (
    kind === 'password' &&
    /^[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+){0,8}[!?.]?$/.test(value) &&
    !/^[A-Z][a-z]+(?: [A-Za-z]+)*$/.test(value)
  );
}

/** As `isChosen`, for a value without quotation marks: one word in lower case. */
export function isChosenWord(value: string, kind: string): boolean {
  return /^[a-z]+$/.test(value) && isChosen(value, kind);
}

/** A value that no name of source code looks like: letters and digits that change often. */
export function isStrong(value: string): boolean {
  if (value.length < 10 || /[^A-Za-z0-9_+/=~.-]/.test(value)) return false;
  if (isGibberish(value)) return true;
  if (!/[0-9]/.test(value)) return false;
  const changes = changesOf(value);
  const numbers = value.match(/[0-9]+/g)?.length ?? 0;
  return changes >= (value.length < 24 ? 0.45 : 0.3) || (numbers >= 3 && changes >= 0.17);
}

const VOWEL = /[aeiouyAEIOUY]/;
const ACRONYMS =
  /XML|HTTPS?|HTML|SQL|CSS|JWT|TLS|SSL|SSH|DNS|TCP|UDP|RPC|AWS|GCP|JSON|PNG|MFA|SDK|DB|FS|JS|TS|ID|ISO|MD5|SHA|PKCS/g;

/** Letters that are no words: most parts between changes of case have no vowel, or many consonants stand together. */
function isGibberish(value: string): boolean {
  const letters = value.replace(ACRONYMS, '');
  if (/[0-9]/.test(value) && /[b-df-hj-np-tv-xz]{6}/i.test(letters)) return true;
  const words = letters.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  const odd = words.filter((word) => word.length > 1 && !VOWEL.test(word)).join('').length;
  const single = words.filter((word) => word.length === 1).length;
  return words.length >= 4 && /[a-z]/.test(value) && (odd + single) * 2.5 >= letters.length && odd > 2;
}

/** How often a lower-case letter, a capital and a digit follow each other: 0.62 in random text, 0.3 in `camelCase`. */
export function changesOf(text: string): number {
  let count = 0;
  let last = classOf(text.charCodeAt(0));
  for (let at = 1; at < text.length; at += 1) {
    const next = classOf(text.charCodeAt(at));
    if (next !== last && next !== 0 && last !== 0) count += 1;
    last = next;
  }
  return text.length < 2 ? 0 : count / (text.length - 1);
}

function classOf(code: number): number {
  if (code >= 97 && code <= 122) return 1;
  if (code >= 65 && code <= 90) return 2;
  return code >= 48 && code <= 57 ? 3 : 0;
}

/** A value that no word of a text or of source code looks like. */
export function looksRandom(value: string): boolean {
  if (/\s/.test(value) || ALGORITHM.test(value) || COLOUR.test(value) || SIGN_AND_WORD.test(value))
    return false;
  if (value.includes('.#') && PRIVATE_FIELD.test(value)) return false;
  if (PLAIN_WORDS.test(value))
    return isMixed(value) || (value.length >= 12 && /^[A-Za-z]+$/.test(value) && isGibberish(value));
  if (isNameOfKey(value) || ALPHABET.test(value)) return false;
  if (isMixture(value)) return true;
  if (isIdentifierOfSecret(value)) return false;
  // Calls, accesses, templates, addresses and paths of source code.
  if (
    /[()[\]{}<>|`]|=>|\$\{|^[./~@]|^[a-z][a-z0-9+.-]{0,20}:\/\/|\.\w+\.|::|\/\*|\\[dwsb]/.test(value) &&
    !isMixed(value)
  )
    return false;
  const hasDigit = /\d/.test(value);
  const hasLetter = /[A-Za-z]/.test(value);
  if (hasDigit && hasLetter) return !/^[A-Za-z]+[-_.]?\d{1,2}$/.test(value) || value.length >= LETTERS_MIN;
  return hasLetter && /[!#$%^&?~@]/.test(value) && value.length >= LETTERS_MIN;
}

/** All four kinds of characters, as a form for a new password demands. */
export function isMixture(value: string): boolean {
  return (
    value.length >= LETTERS_MIN &&
    /[a-z]/.test(value) &&
    /[A-Z]/.test(value) &&
    /[0-9]/.test(value) &&
    /[!#%^*?~+=]/.test(value) &&
    !/[()[\]{}<>|`\\"']|^[?!/.@~]/.test(value)
  );
}

/** Letters in the mixture that only random text has: many changes of case that begin no word. */
function isMixed(value: string, charsMin: number = 16): boolean {
  const longest = Math.max(...value.split(/[^A-Za-z0-9]+/).map((run) => run.length));
  if (longest < charsMin) return false;
  const changes = value.match(/[a-z][A-Z]|[A-Z][a-z]|[A-Za-z]\d|\d[A-Za-z]/g)?.length ?? 0;
  return changes * 3 >= value.length;
}
