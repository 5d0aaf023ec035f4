import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { type Account, findAccount } from '../agent/account.ts';
import { findProgram } from '../agent/executable.ts';
import { TasktrailError } from '../errors.ts';
import { agentAccessNotes } from '../service/agent-access.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';

/** A disk that hangs must not hold up the whole examination. */
const TRY_MS = 2_000;

/** Whether agents can work as the user that they run as, and whether they get the variables that they need. */
export async function checkAgentAccess(subject: Subject): Promise<readonly Finding[]> {
  const { config } = subject;
  const users = usersOf(subject);
  const findings = [...users].flatMap(([key, agents]) => checkUser(subject, key, agents));
  const notes = agentAccessNotes(config).map((note) => {
    const [what = '', advice = 'see docs/agents.md, "Environment"'] = note.split(/: (?=set |name )/);
    return warning('agents', what, advice);
  });
  return [...findings, ...notes];
}

interface Place {
  readonly name: string;
  readonly program: string;
  readonly cwd: string;
}

/** The agents of each user, by the setting and the user that it names. */
function usersOf({ config, cwd }: Subject): ReadonlyMap<string, readonly Place[]> {
  const users = new Map<string, Place[]>();
  if (config.agentUser !== undefined) users.set(`TASK_LOGS_AGENT_USER\n${config.agentUser}`, []);
  for (const [name, agent] of Object.entries(config.agents)) {
    const user = agent.user ?? config.agentUser;
    if (user === undefined) continue;
    const setting = agent.user === undefined ? 'TASK_LOGS_AGENT_USER' : `agents.${name}.user`;
    const key = `${setting}\n${user}`;
    const place = { name, program: agent.command[0] ?? '', cwd: resolve(cwd, agent.cwd ?? '.') };
    users.set(key, [...(users.get(key) ?? []), place]);
  }
  return users;
}

function checkUser(subject: Subject, key: string, agents: readonly Place[]): readonly Finding[] {
  const [setting = '', user = ''] = key.split('\n');
  let account: Account;
  try {
    account = findAccount(user, setting);
  } catch (error) {
    if (!(error instanceof TasktrailError)) throw error;
    const [what = '', advice = 'correct the setting'] = error.message.slice(setting.length + 2).split(': ');
    return [problem(setting, `${what}: the service cannot start`, advice)];
  }
  const findings = agents.flatMap((agent) => checkPlace(subject, account, agent));
  const { logDir } = subject.config;
  if (mayAs(account, 'test -r "$1" && test -x "$1"', logDir) === true) {
    const advice = `chmod 700 it, and leave TASK_LOGS_FILE_MODE at its default (or take ${account.name} out of its group)`;
    findings.push(
      warning(logDir, `agents, which run as ${account.name}, can read the log directory`, advice),
    );
  }
  if (findings.length > 0) return findings;
  return [ok(setting, `agents run as ${account.name} (uid ${account.uid})`)];
}

function checkPlace({ env }: Subject, account: Account, { name, program, cwd }: Place): Finding[] {
  const where = `agent ${name}`;
  if (mayAs(account, 'test -r "$1" && test -x "$1"', cwd) === false) {
    const advice = `give ${account.name} the right to read and enter it and every folder above it, or set another cwd`;
    return [problem(where, `its user ${account.name} cannot enter the working directory ${cwd}`, advice)];
  }
  const path = findProgram(program, { path: env.PATH ?? '', cwd });
  // A program that is missing for everyone is another finding.
  if (path === undefined || mayAs(account, 'test -x "$1"', path) !== false) return [];
  const advice = `install it where ${account.name} can run it; a home directory of another user is mostly closed`;
  return [problem(where, `its user ${account.name} cannot run ${path}`, advice)];
}

/** Whether a shell test on a path succeeds as this user; undefined when it cannot be tried. */
function mayAs({ uid, gid }: Account, script: string, path: string): boolean | undefined {
  const { status, error } = spawnSync('/bin/sh', ['-c', script, 'sh', path], {
    uid,
    gid,
    cwd: '/',
    env: {},
    timeout: TRY_MS,
    stdio: 'ignore',
  });
  if (error !== undefined || status === null) return undefined;
  return status === 0;
}
