/** A field of which a query names values. */
export type TextField =
  | 'status'
  | 'source'
  | 'provider'
  | 'agent'
  | 'model'
  | 'command'
  | 'repo'
  | 'workflow_id'
  | 'error_type'
  | 'tool';

/** A field of which a query names a range. */
export type NumberField = 'cost' | 'tokens' | 'duration' | 'attempt';

export type TimeField = 'since' | 'until';

/** What people type before the colon, and the field that it is. */
export const TEXT_FIELDS: Readonly<Record<string, TextField>> = {
  status: 'status',
  source: 'source',
  provider: 'provider',
  agent: 'agent',
  model: 'model',
  command: 'command',
  repo: 'repo',
  workflow: 'workflow_id',
  workflow_id: 'workflow_id',
  error_type: 'error_type',
  tool: 'tool',
};

export const NUMBER_FIELDS: Readonly<Record<string, NumberField>> = {
  cost: 'cost',
  tokens: 'tokens',
  duration: 'duration',
  attempt: 'attempt',
};

export const TIME_FIELDS: readonly TimeField[] = ['since', 'until'];

/** Compared without case: GitHub and agents write the same name in several ways. */
export const WITHOUT_CASE: ReadonlySet<TextField> = new Set<TextField>(['repo', 'tool']);
