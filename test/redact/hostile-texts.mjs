const MIB = 1024 * 1024;

/** Prefix of each kind of secret. An attacker repeats it, so that every expression starts often and never ends. */
const PREFIXES = [
  'ghp_',
  'github_pat_',
  'glpat-',
  'sk-ant-',
  'sk-',
  'AIza',
  'AKIA',
  'xoxb-',
  'xapp-1-',
  'npm_',
  '\\npm_',
  'pypi-AgE',
  'ATATT',
  'eyJ',
  'eyJaaaaaaaaaa.',
  'eyJaaaaaaaaaa.eyJ',
  'eyJaaaaaaaaaa.eyJaaaaaaaaaa.',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN PRIVATE KEY-----\\n',
  '-----BEGIN PRIVATE KEY----------END ',
  'bearer ',
  'Bearer\t',
  '://',
  'https://a:b',
  '://a:b@',
  'SECRET',
  'TOKEN_',
  'API_KEY=',
  'PASSWORD=\\',
];

/** Matches every hint, so that every expression runs. */
const HINTS = '://a:b@ TOKEN= bearer ghp_ .eyJ ';

/** A mebibyte of ordinary text. */
export function proseText() {
  return HINTS + repeated('the quick brown fox jumps; ');
}

/** A mebibyte of each prefix, repeated in several forms. */
export function* hostileTexts() {
  const pieces = new Set(
    PREFIXES.flatMap((prefix) => [
      prefix,
      `-${prefix}`,
      `${prefix}aB3dE5gH`,
      prefix.slice(0, prefix.length / 2),
    ]),
  );
  for (const piece of pieces) yield HINTS + repeated(piece);
  for (const prefix of PREFIXES) yield HINTS + prefix + repeated('a');
}

function repeated(piece) {
  return piece.repeat(Math.ceil(MIB / piece.length)).slice(0, MIB);
}
