import { CHANGED_ADVICE, changedConfigFiles } from '../service/config-guard.ts';
import { type Finding, problem, type Subject } from './finding.ts';

/** Configuration files that changed beside agents: the next start is refused. */
export async function checkChangedFiles({ config }: Subject): Promise<readonly Finding[]> {
  const changed = await changedConfigFiles(config);
  return changed.map(({ path, what }) => problem(path, `${what}: the next start is refused`, CHANGED_ADVICE));
}
