import { z } from 'zod';
import { FSYNC_MODES, type FsyncMode } from '../../model/fsync-mode.ts';
import { JOURNAL_FULL, type JournalFull } from '../../model/journal-full.ts';
import type { ValueKind } from './value-kinds.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

const SIZE = /^(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?i?b|)$/i;

/** Smaller than this, each segment would hold a few records, and each write would make one. */
const BYTES_MIN = 1_000_000;

const PROBLEM = 'use a number of bytes with a unit (KB, MB, GB, TB, KiB, MiB, GiB, TiB), at least 1MB';

function bytesOf(text: string): number {
  const [, number = '', unit = ''] = SIZE.exec(text) ?? [];
  return number === '' ? Number.NaN : Math.floor(Number(number) * (UNITS[unit.toUpperCase()] ?? Number.NaN));
}

/** A number of bytes with or without a unit: `500MB`, `1.5 GiB`. */
export const BYTES: ValueKind<number> = {
  type: 'bytes with a unit, as `500MB`, `2GiB`',
  schema: z
    .string()
    .trim()
    .transform(bytesOf)
    .refine((bytes) => bytes >= BYTES_MIN && Number.isSafeInteger(bytes), PROBLEM),
};

export const FULL: ValueKind<JournalFull> = {
  type: '`oldest` or `newest`',
  schema: z.string().trim().toLowerCase().pipe(z.enum(JOURNAL_FULL, 'use oldest or newest')),
};

export const FSYNC: ValueKind<FsyncMode> = {
  type: '`always`, `interval` or `never`',
  schema: z.string().trim().toLowerCase().pipe(z.enum(FSYNC_MODES, 'use always, interval or never')),
};
