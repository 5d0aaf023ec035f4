import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { proseText } from '../redact/hostile-texts.mjs';
import { createBodies } from './otlp-bodies.mjs';

const MIB = 1024 * 1024;

/** What a service redacts, about a mebibyte of each: `texts` are plain, `json` are JSON texts. */
export function ordinaryTexts() {
  const bodies = createBodies(0, 4, 'json').map(String);
  const records = bodies.flatMap((body) => JSON.parse(body).resourceLogs[0].scopeLogs[0].logRecords);
  const bytes = createHash('shake256', { outputLength: MIB / 2 })
    .update('redact')
    .digest();
  const log = logLines();
  const code = sourceCode();
  return [
    { name: 'lines of prose', texts: proseText().match(/.{1,80}/g) },
    { name: 'log lines of 20 to 200 characters', texts: log },
    { name: 'log lines of 4,000 characters', texts: log.join(' ').match(/.{4000}/g) },
    { name: 'lines of source code', texts: code.split('\n') },
    { name: 'source code', texts: [code] },
    { name: 'records of OTLP', json: records.map((record) => JSON.stringify(record)) },
    { name: 'bodies of OTLP', json: bodies },
    { name: 'base64', texts: [bytes.toString('base64')] },
    { name: 'hexadecimal digits', texts: [bytes.toString('hex')] },
  ];
}

const WORDS =
  'GET POST /api/v1/users 200 404 in 31ms request finished worker started job id=8f3a path=/srv/app/src/index.ts error: timeout after retry 2/5 connected to 10.0.3.4:5432 INFO WARN [main] cache hit user 42 bytes=1034 msg="done"'.split(
    ' ',
  );

function logLines() {
  const lines = [];
  for (let length = 0, word = 0; length < MIB; length += lines.at(-1).length) {
    const size = 20 + ((lines.length * 37) % 180);
    let line = '';
    for (; line.length < size; word += 7) line += `${WORDS[word % WORDS.length]} `;
    lines.push(line.slice(0, size));
  }
  return lines;
}

/** This package, compiled. */
function sourceCode() {
  const folder = new URL('../../dist/', import.meta.url);
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.js'));
  return files
    .sort()
    .map((name) => readFileSync(new URL(name.replaceAll('\\', '/'), folder), 'utf8'))
    .join('\n')
    .slice(0, MIB);
}
