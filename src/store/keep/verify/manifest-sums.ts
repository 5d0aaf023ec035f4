import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isNewer } from '../../../model/documents.ts';
import { isJsonObject, parseObject } from '../../../model/json.ts';
import { readText } from '../../../system/durable.ts';
import { TASK_FILES } from '../../layout.ts';
import type { FileSum } from '../../write/task/manifest.ts';
import type { Findings } from './finding.ts';
import type { ScannedLines } from './scan-lines.ts';

/** The sums of a manifest by file name. */
export type ManifestSums = Readonly<Record<string, FileSum>>;

/** Undefined when there is none: the task has not settled, or an earlier version settled it. */
export async function readManifest(
  dir: string,
  taskId: string,
  findings: Findings,
): Promise<ManifestSums | undefined> {
  const text = await readText(join(dir, TASK_FILES.manifest));
  if (text === undefined) return undefined;
  const name = join(taskId, TASK_FILES.manifest);
  const manifest = parseObject(text);
  if (manifest !== undefined && isNewer(manifest)) {
    findings.add('newer_version', name, `schema version ${String(manifest.schema_version)}`);
    return undefined;
  }
  const files = manifest?.files;
  if (manifest?.task_id !== taskId || !isJsonObject(files) || !Object.values(files).every(isSum)) {
    findings.add('damaged_document', name, 'it is not the manifest of this task');
    return undefined;
  }
  return files as unknown as ManifestSums;
}

interface Verified {
  readonly dir: string;
  readonly taskId: string;
  readonly manifest: ManifestSums;
  readonly findings: Findings;
  readonly lines: Readonly<Record<string, ScannedLines | undefined>>;
}

/** Holds the files against the manifest. A document that was written again, and is what its lines give, is no finding. */
export async function verifyManifest({ dir, taskId, manifest, findings, lines }: Verified): Promise<void> {
  for (const [key, name] of Object.entries(TASK_FILES)) {
    const before = manifest[name];
    if (before === undefined) continue;
    const file = join(taskId, name);
    if (name.endsWith('.json')) {
      const isNamed = findings.found.some((one) => one.file === file);
      const text = isNamed ? undefined : await readText(join(dir, name));
      // Its fields are right: only the text may differ.
      if (text !== undefined && sha256(text) !== before.sha256 && !isFolded(findings, taskId))
        findings.add('changed', file, 'it is not what the manifest says');
      continue;
    }
    verifyLineFile({ file, before, now: lines[key], findings });
  }
}

interface LineFile {
  readonly file: string;
  readonly before: FileSum;
  readonly now: ScannedLines | undefined;
  readonly findings: Findings;
}

function verifyLineFile({ file, before, now, findings }: LineFile): void {
  if (now === undefined) {
    findings.add('missing_lines', file, `it does not exist; the manifest says ${before.lines} lines`);
    return;
  }
  const { sum, prefix } = now;
  if (sum.sha256 === before.sha256) return;
  if (prefix?.sha256 === before.sha256) {
    findings.add('grown', file, `it has ${sum.lines - before.lines} lines more than the manifest says`);
    return;
  }
  if (sum.lines < before.lines)
    findings.add('missing_lines', file, `it has ${sum.lines} lines; the manifest says ${before.lines}`);
  else
    findings.add(
      'changed',
      file,
      `it has ${sum.lines} lines and ${sum.bytes} bytes with another SHA-256; the manifest says ${before.lines} lines and ${before.bytes} bytes`,
    );
}

/** Whether the documents were held against their lines, which are whole. */
function isFolded(findings: Findings, taskId: string): boolean {
  return !findings.found.some(({ file }) => file.startsWith(join(taskId, TASK_FILES.facts)));
}

function isSum(value: unknown): boolean {
  return (
    isJsonObject(value) &&
    typeof value.sha256 === 'string' &&
    Number.isSafeInteger(value.bytes) &&
    Number.isSafeInteger(value.lines)
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
