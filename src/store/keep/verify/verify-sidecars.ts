import { basename, join } from 'node:path';
import { TASK_FILES, taskFile } from '../../layout.ts';
import { checkMoves, movesPath } from '../../places/moves.ts';
import { checkOffsets, offsetsPath } from '../../places/offsets-file.ts';
import type { Findings } from './finding.ts';

const LINE_FILES = ['webhookFlow', 'agentOutput', 'trace', 'facts'] as const;

/** Holds the byte offsets and the histories of line files against these. Without one nothing is missing: readers make them. */
export async function verifySidecars(logDir: string, taskId: string, findings: Findings): Promise<void> {
  for (const file of LINE_FILES) {
    const path = taskFile(logDir, taskId, file);
    const nameOf = (sidecar: string): string => join(taskId, basename(sidecar));
    const offsets = await checkOffsets({ path, what: TASK_FILES[file] });
    if (offsets === 'other')
      findings.add('other_sidecar', nameOf(offsetsPath(path)), 'it has the offsets of another file');
    else if (offsets === 'wrong')
      findings.add('wrong_sidecar', nameOf(offsetsPath(path)), `it has not the lines of ${TASK_FILES[file]}`);
    else if (offsets === 'damaged')
      findings.add('wrong_sidecar', nameOf(offsetsPath(path)), 'its checksum does not match');
    if ((await checkMoves(path)) === false)
      findings.add('wrong_sidecar', nameOf(movesPath(path)), 'its lines are no history of a file');
  }
}
