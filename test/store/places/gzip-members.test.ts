import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { gzipMembers, inflateMember, readMembers } from '../../../src/store/places/gzip-members.ts';
import { tempDir } from '../../support/log-dir.ts';

async function* pieces(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function gzipped(content: Buffer, size: number = 65_536): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of gzipMembers(pieces(content, size))) parts.push(part);
  return Buffer.concat(parts);
}

const LINES = Buffer.from(
  Array.from({ length: 60_000 }, (_, n) => `{"n":${n},"text":"some words of a line"}\n`).join(''),
);

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a line', Buffer.from('{"a":1}\n')],
  ['half a line', Buffer.from('{"a":')],
  ['lines', LINES],
  ['one long line', Buffer.alloc(9_000_000, 'x')],
])('%s is what any gzip program reads', async (_, content) => {
  expect(gunzipSync(await gzipped(content)).equals(content)).toBe(true);
});

test('each member can be read alone and starts with a line', async () => {
  const path = join(await tempDir(), 'x.gz');
  const bytes = await gzipped(LINES, 1_000);
  writeFileSync(path, bytes);
  const file = await open(path, 'r');
  try {
    const members = (await readMembers(file, bytes.length)) ?? [];
    expect(members.length).toBeGreaterThan(1);
    for (const member of [...members].reverse()) {
      const plain = await inflateMember(file, member);
      expect(plain.equals(LINES.subarray(member.plainStart, member.plainStart + member.plainBytes))).toBe(
        true,
      );
      expect(plain[0]).toBe(0x7b);
    }
  } finally {
    await file.close();
  }
});

test('a file of another program, or a damaged one, has no members or refuses to be read', async () => {
  const path = join(await tempDir(), 'x.gz');
  const bytes = await gzipped(LINES);
  for (const [content, isKnown] of [
    [gzipSync(LINES), false],
    [bytes.subarray(0, -5), false],
    [Buffer.concat([bytes, Buffer.from('more')]), false],
    [Buffer.from('nothing of gzip, and longer than a header'), false],
    [flipped(bytes, 200), true],
  ] as const) {
    writeFileSync(path, content);
    const file = await open(path, 'r');
    try {
      const members = await readMembers(file, content.length);
      expect(members !== undefined).toBe(isKnown);
      const [first] = members ?? [];
      if (first !== undefined) await expect(inflateMember(file, first)).rejects.toThrow();
    } finally {
      await file.close();
    }
  }
});

test('the table at the end has the members that a look at each of them finds', async () => {
  const path = join(await tempDir(), 'x.gz');
  const bytes = await gzipped(LINES);
  const tableBytes = bytes.readUInt32LE(bytes.length - 14);
  const found: unknown[] = [];
  // Whole, with a damaged table (its entries, its own length), without one.
  for (const content of [
    bytes,
    flipped(bytes, bytes.length - 30),
    flipped(bytes, bytes.length - 14),
    bytes.subarray(0, -tableBytes),
  ]) {
    writeFileSync(path, content);
    const file = await open(path, 'r');
    const read = vi.spyOn(file, 'read');
    try {
      found.push(await readMembers(file, content.length));
      if (content === bytes) expect(read).toHaveBeenCalledTimes(2);
      else expect(read.mock.calls.length).toBeGreaterThan(2);
    } finally {
      await file.close();
    }
  }
  expect(found[0]).toHaveLength(Math.floor(LINES.length / 262_144) + 1);
  for (const members of found) expect(members).toEqual(found[0]);
  // Before the table members were appended to, or files joined: the table is that of the second part.
  const twice = Buffer.concat([bytes, bytes]);
  writeFileSync(path, twice);
  const file = await open(path, 'r');
  try {
    const members = (await readMembers(file, twice.length)) ?? [];
    const plain = await Promise.all(members.map((member) => inflateMember(file, member)));
    expect(Buffer.concat(plain).equals(Buffer.concat([LINES, LINES]))).toBe(true);
  } finally {
    await file.close();
  }
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}
