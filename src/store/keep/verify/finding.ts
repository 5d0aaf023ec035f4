import type { JsonObject } from '../../../model/json.ts';

/** What may be wrong with a stored file: what it means, and what to do. */
const PROBLEMS = {
  torn_tail: {
    means: 'a crash or a power cut while it was written',
    todo: 'nothing: the next start cuts it off; what it would have been is sent again when its sender still has it',
  },
  damaged_line: {
    means: 'it was damaged or changed after it was written',
    todo: 'restore the file from a backup, or run "tasktrail rebuild" with an archive of the records',
  },
  invalid_line: {
    means:
      'a field that every such line has is missing or of another kind: it was changed, or another program wrote it',
    todo: 'look at the line; readers leave it out, and nothing removes it',
  },
  repeated_line: {
    means: 'two processes wrote to the file, or it was copied onto itself',
    todo: 'nothing: readers show it once',
  },
  out_of_order: {
    means: 'the file of a settled task is in the order of its times: it was changed',
    todo: 'restore the file from a backup',
  },
  missing_lines: {
    means: 'lines that the file had when its task had settled are gone',
    todo: 'restore the file from a backup, or run "tasktrail rebuild" with an archive of the records',
  },
  changed: {
    means: 'its content is not what it was when its task had settled',
    todo: 'restore the file from a backup, or run "tasktrail rebuild" to take it as it is',
  },
  missing_file: {
    means: 'it was removed, or a crash came before it was written',
    todo: 'the next start writes it from what is left, or run "tasktrail rebuild"',
  },
  damaged_document: {
    means: 'it was damaged after it was written',
    todo: 'the next start writes it from what is left and keeps the damaged one beside it, or run "tasktrail rebuild"',
  },
  disagrees: {
    means: 'one of them was changed, cut or restored from another time',
    todo: 'restore the older one from a backup; a start keeps the end that the document names',
  },
  not_a_file: {
    means:
      'a link, a pipe, a device or a folder was put in its place; it is not read, and nothing is written through it',
    todo: 'remove it; the next start writes a document from what is left, lines come from "tasktrail rebuild" with an archive of the records',
  },
  unreadable: { means: 'this user may not read it, or the disk fails', todo: 'give this user access' },
  wrong_sidecar: {
    means:
      'windows and streams would begin at a wrong line or from the beginning: the file or its sidecar was changed by another program',
    todo: 'remove the sidecar: it is made again, and nothing else is in it',
  },
  not_uploaded: {
    means: 'the object in S3 does not have what the document has',
    todo: 'a running service uploads it; otherwise look at /readyz',
  },
} as const;

/** What is worth knowing and no damage. */
const NOTES = {
  newer_version: 'a newer version of tasktrail wrote it; it is kept as it is and not checked',
  grown: 'lines came after the task had settled, and the process ended before the new manifest was written',
  set_aside: 'a damaged document, kept when a new one was written in its place',
  other_sidecar: 'it belongs to the file that stood here before, as after a copy; readers make their own',
  changing: 'it changes while it is read: a process writes to it',
} as const;

export type Problem = keyof typeof PROBLEMS;
export type Note = keyof typeof NOTES;

export interface Finding {
  readonly kind: 'task' | 'workflow' | 'webhooks' | 'feed' | 'queue' | 'notify' | 'journal' | 'pruned' | 's3';
  readonly id: string;
  /** Relative to its directory. */
  readonly file: string;
  /** From 1. */
  readonly line?: number | undefined;
  readonly problem: Problem | Note;
  readonly what: string;
}

export function isNote({ problem }: Finding): boolean {
  return problem in NOTES;
}

/** One line: where, what, what it means, what to do. */
export function findingText(finding: Finding): string {
  const { file, line, problem, what } = finding;
  const where = line === undefined ? file : `${file}:${line}`;
  if (isNote(finding)) return `${where}: ${what}: ${NOTES[problem as Note]}`;
  const { means, todo } = PROBLEMS[problem as Problem];
  return `${where}: ${what}. It means: ${means}. What to do: ${todo}`;
}

export function findingJson(finding: Finding): JsonObject {
  const { kind, id, file, line, problem, what } = finding;
  const texts = isNote(finding)
    ? { note: true, means: NOTES[problem as Note] }
    : { note: false, ...PROBLEMS[problem as Problem] };
  return { kind, id, file, line: line ?? null, problem, what, ...texts };
}

/** Collects what is wrong with the files of one task, workflow or day. */
export class Findings {
  readonly found: Finding[] = [];
  readonly #of: Pick<Finding, 'kind' | 'id'>;

  constructor(of: Pick<Finding, 'kind' | 'id'>) {
    this.#of = of;
  }

  add(problem: Problem | Note, file: string, what: string, line?: number): void {
    this.found.push({ ...this.#of, file, line, problem, what });
  }
}
