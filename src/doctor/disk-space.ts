import { stat, statfs } from 'node:fs/promises';
import { sizeText } from '../model/size-text.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { existingParent } from './log-directory.ts';

const MIB = 1_048_576;
const GIB = 1024 * MIB;

/** Twice the memory that buffers records when the disk refuses writes: with less, records are about to be lost. */
const FREE_MIN = 64 * MIB;

/** A busy day of agents. */
const FREE_LOW = GIB;

/** With less, file systems become slow, and some reserve the rest for root. */
const SHARE_LOW = 0.05;

/** A hundred tasks of about ten files. */
const FILES_MIN = 1_000;

const ADVICE = 'free some space: tasktrail prune, a shorter TASK_LOGS_RETENTION_DAYS, or a larger disk';

/** The result of `statfs`, in bytes and files. */
export interface Space {
  readonly freeBytes: number;
  readonly bytes: number;
  readonly freeFiles: number;
  /** 0 on a file system that has no limit (btrfs). */
  readonly files: number;
}

export async function checkDiskSpace({ config }: Subject): Promise<readonly Finding[]> {
  if (!config.enabled) return [];
  const findings: Finding[] = [];
  const seen = new Set<number>();
  for (const path of [config.logDir, config.workflowDir]) {
    const place = await existingParent(path);
    const { dev } = await stat(place);
    if (seen.has(dev)) continue;
    seen.add(dev);
    const { bavail, blocks, bsize, ffree, files } = await statfs(place);
    const space = { freeBytes: bavail * bsize, bytes: blocks * bsize, freeFiles: ffree, files };
    findings.push(...judgeSpace(path, space));
  }
  return findings;
}

/** A finding for bytes and one for files, or a single `ok` when both are sufficient. */
export function judgeSpace(path: string, { freeBytes, bytes, freeFiles, files }: Space): readonly Finding[] {
  const share = bytes > 0 ? freeBytes / bytes : 1;
  const free = `${sizeText(freeBytes)} free (${Math.floor(share * 100)} %)`;
  const findings: Finding[] = [];
  if (freeBytes < FREE_MIN) findings.push(problem(path, `the disk is full: ${free}`, ADVICE));
  else if (freeBytes < FREE_LOW || share < SHARE_LOW)
    findings.push(warning(path, `the disk is nearly full: ${free}`, ADVICE));
  const fileShare = files > 0 ? freeFiles / files : 1;
  const freeInodes = `${freeFiles} files (inodes) left`;
  if (files > 0 && freeFiles < FILES_MIN)
    findings.push(problem(path, `the disk is full: ${freeInodes}`, ADVICE));
  else if (fileShare < SHARE_LOW)
    findings.push(warning(path, `the disk is nearly full: ${freeInodes}`, ADVICE));
  return findings.length > 0 ? findings : [ok(path, free)];
}
