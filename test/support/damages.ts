import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import type { JsonValue } from '../../src/model/json.ts';

/** What a crash, a disk, a backup or another version makes of a file. */
export type Damage = (path: string, older: string | undefined) => void;

export const DAMAGES: Readonly<Record<string, Damage>> = {
  'cut at its end': (path) => truncateSync(path, Math.max(0, statSync(path).size - 40)),
  'cut to its first byte': (path) => truncateSync(path, 1),
  'cut at its start': (path) => writeFileSync(path, readFileSync(path).subarray(40)),
  empty: (path) => writeFileSync(path, ''),
  missing: (path) => rmSync(path),
  'all NUL': (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  'with NUL in front': (path) => fill(path, 0),
  'with NUL in the middle': (path) => fill(path, 0.4),
  'with NUL at its end': (path) => fill(path, 0.8),
  'with NUL after its end': (path) =>
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(512)])),
  'with every line twice': (path) => {
    const lines = readFileSync(path, 'utf8').split(/(?<=\n)/);
    writeFileSync(path, lines.flatMap((line) => [line, line]).join(''));
  },
  'of an older backup': (path, older) => {
    if (older === undefined) rmSync(path);
    else writeFileSync(path, older);
  },
  'of a newer version, with fields that are not known': (path) => newer(path, (text) => text),
  'of a newer version, with other names': (path) =>
    newer(path, (text) =>
      text
        .replaceAll('"event_id"', '"id"')
        .replaceAll('"spanId"', '"span"')
        .replaceAll('"status"', '"state"')
        .replaceAll('"task_id"', '"task"')
        .replaceAll('"success"', '"succeeded"'),
    ),
  'of a newer version, with a last line of another form': (path) => {
    if (path.endsWith('.json')) newer(path, (text) => text);
    else
      writeFileSync(
        path,
        `${readFileSync(path, 'utf8')}{"schema_version":2,"kind":"summary","text":"keep me"}`,
      );
  },
};

function fill(path: string, from: number): void {
  const bytes = readFileSync(path);
  const start = Math.floor(bytes.length * from);
  writeFileSync(path, bytes.fill(0, start, start + Math.ceil(bytes.length * 0.2)));
}

function newer(path: string, rename: (text: string) => string): void {
  const lines = readFileSync(path, 'utf8').replaceAll('"schema_version":1', '"schema_version":2').split('\n');
  const marked = lines.map((line) => {
    if (!line.startsWith('{')) return line;
    const version = line.includes('"schema_version"') ? '' : '"schema_version":2,';
    return `{${version}"not_known":[1],${line.slice(1)}`;
  });
  writeFileSync(path, rename(marked.join('\n')));
}

/** What one value said and another one does not: empty when nothing is missing. Null and false say nothing. */
export function missingFrom(before: JsonValue | undefined, after: JsonValue | undefined): readonly string[] {
  if (before === null || before === undefined) return [];
  if (Array.isArray(before)) {
    const list = Array.isArray(after) ? after.map((item) => JSON.stringify(item)) : [];
    return before.filter((item) => !list.includes(JSON.stringify(item))).map((item) => JSON.stringify(item));
  }
  if (typeof before === 'object') {
    const object = (typeof after === 'object' && after !== null ? after : {}) as Record<string, JsonValue>;
    return Object.entries(before).flatMap(([name, value]) =>
      missingFrom(value, object[name]).map((path) => `${name}: ${path}`),
    );
  }
  return before === after ? [] : [`${JSON.stringify(before)} became ${JSON.stringify(after)}`];
}
