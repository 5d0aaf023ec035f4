import { z } from 'zod';
import { readTenant, TENANT_FORM } from '../../model/tenant.ts';
import type { ValueKind } from './value-kinds.ts';

/** A URL with http or https. */
export function httpUrl(example: string): ValueKind<string> {
  return { type: 'URL', schema: z.url({ protocol: /^https?$/, error: `use a URL such as ${example}` }) };
}

export const REDIS_ADDRESS: ValueKind<string> = {
  type: 'URL with `redis:` or `rediss:`',
  schema: z.url({ protocol: /^rediss?$/, error: 'use a URL such as redis://127.0.0.1:6379' }),
};

export const STORE_ADDRESS: ValueKind<string> = {
  type: 'URL with `victorialogs:` or `victorialogs+https:`',
  schema: z.url({
    protocol: /^victorialogs(?:\+https)?$/,
    error: 'use a URL such as victorialogs://127.0.0.1:9428',
  }),
};

export const TENANT: ValueKind<string> = {
  type: '`<account>` or `<account>:<project>`',
  schema: z
    .string()
    .trim()
    .refine((text) => readTenant(text) !== undefined, TENANT_FORM),
};
