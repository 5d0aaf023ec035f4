import { basename, resolve } from 'node:path';
import { findProgram, whyNotStartable } from '../agent/executable.ts';
import { usesSampleAgent } from '../service/commands.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';

/** Whether the programs that tasks run can be started. */
export async function checkAgentPrograms({ config, env, cwd }: Subject): Promise<readonly Finding[]> {
  const path = env.PATH ?? '';
  const findings: Finding[] = [];
  if (usesSampleAgent(config)) {
    findings.push(ok('agents', 'none is set, so tasks run the bundled sample: set TASK_LOGS_AGENT_COMMAND'));
  }
  for (const [name, { command, dialect, cwd: own = '.' }] of Object.entries(config.agents)) {
    const [program = ''] = command;
    const place = { path, cwd: resolve(cwd, own) };
    const reason = whyNotStartable(program, place);
    if (reason === undefined) {
      findings.push(ok(`agent ${name}`, findProgram(program, place) ?? program));
      const missing = dialect === 'text' ? undefined : missingOptions(command);
      if (missing !== undefined) findings.push(warning(`agent ${name}`, PLAIN, `add ${missing}`));
    } else {
      const [what = '', advice = ''] = reason.split('; ');
      findings.push(problem(`agent ${name}`, what, advice === '' ? 'correct it in the settings' : advice));
    }
  }
  const git = findProgram('git', { path, cwd });
  const advice = 'install it: agents that work on code need it';
  findings.push(git === undefined ? warning('git', 'not found in PATH', advice) : ok('git', git));
  return findings;
}

const PLAIN = 'prints plain text, so its tool calls, tokens and cost stay unknown';

/** Program -> the argument that makes it print messages, and the whole options. */
const MESSAGE_OPTIONS: ReadonlyMap<string, { readonly word: string; readonly options: string }> = new Map([
  ['claude', { word: 'stream-json', options: '--output-format stream-json --verbose' }],
  ['codex', { word: '--json', options: '--json' }],
  ['cursor-agent', { word: 'stream-json', options: '--output-format stream-json' }],
  ['gemini', { word: 'stream-json', options: '--output-format stream-json' }],
  ['opencode', { word: 'json', options: '--format json' }],
  ['qwen', { word: 'stream-json', options: '--output-format stream-json' }],
]);

/** Undefined for a program that is no known agent, such as a wrapper script, and for one that has the options. */
function missingOptions([program = '', ...args]: readonly string[]): string | undefined {
  const known = MESSAGE_OPTIONS.get(basename(program));
  if (known === undefined) return undefined;
  const hasWord = args.some((arg) => arg === known.word || arg.endsWith(`=${known.word}`));
  return hasWord ? undefined : known.options;
}
