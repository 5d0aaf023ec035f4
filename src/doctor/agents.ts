import { resolve } from 'node:path';
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
  for (const [name, { command, cwd: own = '.' }] of Object.entries(config.agents)) {
    const [program = ''] = command;
    const place = { path, cwd: resolve(cwd, own) };
    const reason = whyNotStartable(program, place);
    if (reason === undefined) findings.push(ok(`agent ${name}`, findProgram(program, place) ?? program));
    else {
      const [what = '', advice = ''] = reason.split('; ');
      findings.push(problem(`agent ${name}`, what, advice === '' ? 'correct it in the settings' : advice));
    }
  }
  const git = findProgram('git', { path, cwd });
  const advice = 'install it: agents that work on code need it';
  findings.push(git === undefined ? warning('git', 'not found in PATH', advice) : ok('git', git));
  return findings;
}
