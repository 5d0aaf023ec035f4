import { expect, test } from 'vitest';
import { agentSchema } from '../../../src/config/file/agent-schema.ts';
import { handedSecrets, variablesOf } from '../../../src/config/file/agent-variables.ts';

const VARIABLES = { KEY: 'k-1', EMPTY: '', HOST: 'h' };

test.each([
  [['KEY', 'HOST'], { KEY: 'k-1', HOST: 'h' }, []],
  [['KEY', 'EMPTY', 'NONE'], { KEY: 'k-1' }, ['EMPTY', 'NONE']],
  [
    { A: '$' + '{KEY}', B: 'plain', C: 'x-$' + '{HOST}-$' + '{KEY}' },
    { A: 'k-1', B: 'plain', C: 'x-h-k-1' },
    [],
  ],
  [{ A: '$' + '{NONE}', B: '$KEY' }, { B: '$KEY' }, ['NONE']],
  [undefined, {}, []],
  [[], {}, []],
])('%j names these variables', (env, values, missing) => {
  expect(variablesOf(env, VARIABLES)).toEqual({ values, missing });
});

test('a value is not expanded again', () => {
  const env = { A: '$' + '{B}' };
  expect(variablesOf(env, { B: '$' + '{C}', C: 'secret' }).values).toEqual({ A: '$' + '{C}' });
});

test('names of variables are checked', () => {
  const parse = (env: unknown): boolean => agentSchema.safeParse({ command: ['x'], env }).success;
  expect(parse(['A_1', 'b'])).toBe(true);
  expect(parse({ A: '' })).toBe(true);
  for (const env of [['A=1'], ['1A'], [''], { 'A B': 'x' }, { A: 1 }, 'A', [1]])
    expect(parse(env)).toBe(false);
});

test('what is handed over under the name of a secret is known, so that it can be masked', () => {
  const agents = { one: { command: ['x'], env: { API_KEY: 'literal-key', REGION: 'eu-central' } } };
  expect(handedSecrets({ agents, agentEnv: [] })).toEqual(['literal-key']);
});
