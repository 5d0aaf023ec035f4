import { z } from 'zod';
import { FSYNC_MODES, type FsyncMode } from '../../model/fsync-mode.ts';
import type { ValueKind } from './value-kinds.ts';

export const FSYNC: ValueKind<FsyncMode> = {
  type: '`always`, `interval` or `never`',
  schema: z.string().trim().toLowerCase().pipe(z.enum(FSYNC_MODES, 'use always, interval or never')),
};
