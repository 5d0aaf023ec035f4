/** Beginnings of secrets that are no rule of a table: names, schemes, keys, encodings, and what stands around a break. */
const OTHERS = [
  'eyJ',
  'eyJaaaaaaaaaa.',
  'eyJaaaaaaaaaa.eyJ',
  'eyJaaaaaaaaaa.eyJaaaaaaaaaa.',
  '.eyJ',
  'eyJhbGciOi',
  'eyJhbGciOiJa.a.',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN PRIVATE KEY-----\\n',
  '-----BEGIN PRIVATE KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAA\n',
  '-----BEGIN PRIVATE KEY----------END ',
  '-----BEGIN PRIVATE KEY-----\n    \n    \n',
  'PuTTY-User-Key-File-2: a\n',
  '\n',
  '\r\n',
  '\\n',
  '\\\\n',
  '\n \n',
  'a\n',
  'aaaa1A\n',
  'aaaaaaaaaaaaaaaaaaaa1A\n',
  'ghp_aB3d\n',
  'a\\n',
  'a\\\\',
  'bearer ',
  'Bearer\t',
  'bearer a',
  'Basic ',
  'basic YTpi ',
  'Authorization: ',
  'authorization: digest a=',
  'Cookie: ',
  'Cookie: a=',
  'cookie=',
  'Set-Cookie: a=bbbbbbb; ',
  '://',
  'https://a:b',
  '://a:b@',
  '://a:',
  '://aaaaaaaaaaaaaaaaaaaaaaaa',
  ':5432:',
  ':5432:a:b:',
  'curl -u ',
  'curl -u a:',
  'mysql -p',
  ' -p ',
  ' -u',
  'redis-cli -a ',
  'SECRET',
  'TOKEN_',
  'API_KEY=',
  'PASSWORD=\\',
  'password=',
  'password="',
  "password='",
  'password=`',
  'password=\\"',
  'password: ',
  'password:"a',
  '"password":"',
  '"password": ',
  'password = a ',
  'token=$',
  '--token ',
  '--token',
  '<password>',
  'password value=',
  'key',
  '_key',
  'secret_access_key',
  'a-b-c-d-token',
  'TokenTokenToken',
  'A1b2C3',
  'aA',
  'access_key=',
  'DB_PASSWORD_',
  'pass',
  '[redacted',
  '[redacted:',
  '[redacted:a]',
  '%41',
  '%2541',
  '%25252525',
  '\\u0041',
  '\\\\u0041',
  '\\x41',
  '&#65;',
  '&quot;',
  '&amp;',
  '\u001b[31m',
  '\u001b[',
  '\u001b]',
  '\u001b',
  '\u200b',
  'a\u200b',
  '\u009b',
  '\u0000',
  '\\/',
  'a\\/',
  '%41 ',
  `%41${' '.repeat(600)}`,
  `\u200b${'x'.repeat(1100)}`,
  'Z2hwX',
  'Z2hwXZ2hwX',
  'cGFzc3dvcmQ9',
  'cGFzc3dvcmQ',
  'c2VjcmV0',
  'A',
  '0',
  'f',
  '-',
  '_',
  '.',
  '+',
  '/',
  '=',
  ' ',
  '\t',
  '"',
  "'",
  '`',
  '\\',
  '{"',
  '[',
  '<',
  '$',
  '${',
  '{{',
];

const FILLERS = ['', 'aB3dE5gH', ' ', '\n'];

/**
 * Texts that an attacker derives from a rule: its hint again and again, with a piece of a body, in front of a long body, and
 * its first half. `build(length)` makes one of any length.
 */
export function hostileTexts(hints) {
  const texts = new Map();
  const starts = [...new Set([...OTHERS, ...hints])];
  for (const start of starts) {
    for (const filler of FILLERS) texts.set(start + filler, (length) => repeated(start + filler, length));
    texts.set(`-${start}`, (length) => repeated(`-${start}`, length));
    texts.set(start.slice(0, Math.ceil(start.length / 2)), (length) =>
      repeated(start.slice(0, Math.ceil(start.length / 2)), length),
    );
    for (const body of ['a', 'aB3-', '\\n'])
      texts.set(`${start} + ${body}`, (length) => start + repeated(body, length));
    texts.set(
      `${start} x 1/2 + end`,
      (length) => repeated(start, length / 2) + repeated('a1B', length / 2) + start,
    );
  }
  texts.set('eyJ at the end', (length) => `${repeated('eyJ', length)}.eyJ`);
  return texts;
}

/** Of a mebibyte of ordinary text. */
export function proseText() {
  return repeated('the quick brown fox jumps; ', 1024 * 1024);
}

function repeated(piece, length) {
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
}
