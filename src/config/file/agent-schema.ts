import { z } from 'zod';
import { budgetSchema } from '../../model/budget-schema.ts';
import { VARIABLE_NAME } from '../values/variable-names.ts';
import type { Frozen, Optional, Strict } from './schema-shapes.ts';

/** The bundled sample agent, which needs no configuration. */
export const SAMPLE_AGENT = 'sample-agent';

/** An hour: longer than any coding task that still makes progress, short enough that a stuck one ends the same day. */
export const AGENT_TIMEOUT_SECONDS = 3_600;

/** Of agents, commands, phases, steps and webhooks. */
export const nameSchema: z.ZodString = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'use letters, digits, ".", "_" and "-"');

const variableSchema: z.ZodString = z
  .string()
  .regex(VARIABLE_NAME, 'use the name of a variable: letters, digits and "_"');

/** Names to hand over, or names with their values. */
type EnvSchema = z.ZodUnion<[z.ZodArray<z.ZodString>, z.ZodRecord<z.ZodString, z.ZodString>]>;

/** Shells have other forms, such as `${NAME:-x}`, which an agent may need as they stand. */
const isClosed = (text: string): boolean => !/\$\{[^}]*$/.test(text);

const UNCLOSED = 'a "$' + '{" has no "}"';

const envSchema: EnvSchema = z.union(
  [z.array(variableSchema), z.record(variableSchema, z.string().refine(isClosed, UNCLOSED))],
  'use a list of names, ["ANTHROPIC_API_KEY"], or an object of names and values',
);

export const agentSchema: Strict<{
  type: Optional<z.ZodString>;
  command: z.ZodArray<z.ZodString>;
  env: Optional<EnvSchema>;
  user: Optional<z.ZodString>;
  dialect: Optional<z.ZodString>;
  telemetry: Optional<z.ZodBoolean>;
  cwd: Optional<z.ZodString>;
  timeout_seconds: Optional<z.ZodNumber>;
  linger_seconds: Optional<z.ZodNumber>;
  budget: Optional<typeof budgetSchema>;
}> = z.strictObject({
  type: z.string().exactOptional().describe('The type of agent in the records: `agent_type`.'),
  command: z
    .array(z.string())
    .refine(([program = '']) => program.trim() !== '', 'name a program')
    .describe('Program and arguments; `{message}`, `{phase}` and `{step}` in an argument are replaced.'),
  env: envSchema
    .exactOptional()
    .describe(
      'Variables that it gets beside the [usual ones](agents.md#environment): a list of names, or names with values, in which `$' +
        '{NAME}` is a variable of the service.',
    ),
  user: z
    .string()
    .trim()
    .min(1)
    .exactOptional()
    .describe('The user that it runs as. Default `TASK_LOGS_AGENT_USER`.'),
  dialect: z
    .string()
    .exactOptional()
    .describe(
      'The format of its output: `claude`, `codex`, `cursor`, `gemini`, `opencode`, `qwen` or `text`. Default `auto`: its first message decides.',
    ),
  telemetry: z
    .boolean()
    .exactOptional()
    .describe('Whether it sends its own telemetry, if its dialect can. Default `TASK_LOGS_AGENT_TELEMETRY`.'),
  cwd: z
    .string()
    .exactOptional()
    .describe('Its working directory. Default: the working directory of the service.'),
  timeout_seconds: z
    .number()
    .positive()
    .exactOptional()
    .describe(`The agent is ended after this many seconds. Default \`${AGENT_TIMEOUT_SECONDS}\`.`),
  linger_seconds: z
    .number()
    .positive()
    .exactOptional()
    .describe('Seconds for it to exit after its last word. Default `TASK_LOGS_AGENT_LINGER_SECONDS`.'),
  budget: budgetSchema
    .exactOptional()
    .describe('What a task of this agent may use, with all its runs: see [budgets](agents.md#budgets).'),
});

const phaseSchema: Strict<{ name: z.ZodString; steps: z.ZodArray<z.ZodString> }> = z.strictObject({
  name: nameSchema.describe('The name of the phase.'),
  steps: z.array(nameSchema).min(1).describe('The names of its steps; each step is one run of the agent.'),
});

export const commandSchema: Strict<{
  agent: Optional<z.ZodString>;
  workflow: Optional<z.ZodString>;
  phases: Optional<z.ZodArray<typeof phaseSchema>>;
  budget: Optional<typeof budgetSchema>;
}> = z.strictObject({
  agent: nameSchema.exactOptional().describe('The agent that runs it. Default: the first one in `agents`.'),
  workflow: nameSchema
    .exactOptional()
    .describe('The name of the workflow in the records. Default: the command.'),
  phases: z
    .array(phaseSchema)
    .min(1)
    .exactOptional()
    .describe('The phases of the workflow, in order. Default: one phase with one step.'),
  budget: budgetSchema
    .exactOptional()
    .describe('What a task of this command may use; with a budget of its agent the smaller limit counts.'),
});

export type AgentConfig = Frozen<z.output<typeof agentSchema>>;
export type PhaseConfig = Frozen<z.output<typeof phaseSchema>>;
export type CommandConfig = Frozen<z.output<typeof commandSchema>>;
