import { basename, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { journalDir } from '../../journal/lone-record.ts';
import { parseSegmentName } from '../../journal/segment-name.ts';
import { isNewer } from '../../model/documents.ts';
import { parseObject } from '../../model/json.ts';
import { NOTIFY_FOLDER, outboxNames, readOutbox } from '../../notify/outbox/read-outbox.ts';
import { readEntry } from '../../queue/job-entry.ts';
import { type Finding, Findings } from '../../store/keep/verify/finding.ts';
import { OWN_NAMES } from '../../store/layout.ts';
import { readText } from '../../system/durable.ts';
import { lstatIfPresent, openIfPresent, readableNamesIn } from '../../system/files/optional-files.ts';
import { isNoFile } from '../../system/files/safe-open.ts';
import { type Line, readLines } from '../../system/lines.ts';

/** Longest record in a segment. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;

/** Header, source, log record, span. */
const KINDS = 'HCLS';

/** Looks at the jobs in `_queue`, the notifications in `_notify` and the segments in `_journal`. Changes nothing. */
export async function verifyOwnFiles(logDir: string, onFinding: (finding: Finding) => void): Promise<void> {
  const queue = join(logDir, OWN_NAMES.queue);
  for (const name of (await readableNamesIn(queue)).filter(isJob).sort()) {
    const id = basename(name, '.json');
    const findings = new Findings({ kind: 'queue', id });
    await verifyJob({ path: join(queue, name), name: join(OWN_NAMES.queue, name), id }, findings);
    for (const finding of findings.found) onFinding(finding);
  }
  for (const name of await outboxNames(logDir)) {
    const findings = new Findings({ kind: 'notify', id: name });
    await verifyOutbox(logDir, name, findings);
    for (const finding of findings.found) onFinding(finding);
  }
  const journal = journalDir(logDir);
  for (const name of (await readableNamesIn(journal)).sort()) {
    const segment = parseSegmentName(name);
    if (segment === undefined) continue;
    const findings = new Findings({ kind: 'journal', id: segment.id });
    const isOpen = segment.state === 'open';
    await verifySegment({ path: join(journal, name), name: join(basename(journal), name), isOpen }, findings);
    for (const finding of findings.found) onFinding(finding);
  }
}

/** `_opened.json` is no job. */
function isJob(name: string): boolean {
  return name.endsWith('.json') && !name.startsWith('_') && !name.startsWith('.');
}

interface NamedJob {
  readonly path: string;
  readonly name: string;
  readonly id: string;
}

async function verifyJob({ path, name, id }: NamedJob, findings: Findings): Promise<void> {
  try {
    const text = await readText(path);
    if (text === undefined) {
      // Removed meanwhile when its task has ended. A start replaces a link, and reads nothing below a directory.
      const isThere = (await lstatIfPresent(path)) !== undefined;
      if (isThere) findings.add('unreadable', name, 'it is not a regular file');
      return;
    }
    const value = parseObject(text);
    if (value !== undefined && isNewer(value)) {
      findings.add('newer_version', name, `schema version ${String(value.schema_version)}`);
      return;
    }
    const entry = readEntry(id, value);
    if (typeof entry === 'string') findings.add('damaged_document', name, entry);
  } catch (error) {
    findings.add('unreadable', name, messageOf(error));
  }
}

async function verifyOutbox(logDir: string, receiver: string, findings: Findings): Promise<void> {
  const name = join(NOTIFY_FOLDER, `${receiver}.jsonl`);
  try {
    for (const { line, isTorn } of (await readOutbox(logDir, receiver))?.badLines ?? [])
      if (isTorn) findings.add('torn_tail', name, 'the file ends in half a line', line);
      else findings.add('damaged_line', name, 'a line that is no notification', line);
  } catch (error) {
    findings.add(isNoFile(error) ? 'not_a_file' : 'unreadable', name, messageOf(error));
  }
}

interface NamedSegment {
  readonly path: string;
  readonly name: string;
  /** Its process may be writing the last line. */
  readonly isOpen: boolean;
}

async function verifySegment({ path, name, isOpen }: NamedSegment, findings: Findings): Promise<void> {
  try {
    const file = await openIfPresent(path, 'r');
    // Delivered and removed, or claimed under another name.
    if (file === undefined) return;
    try {
      let number = 0;
      for await (const lines of readLines(file, { bytesMax: RECORD_BYTES_MAX })) {
        for (const line of lines) {
          number += 1;
          verifyEntry(line, { number, name, isOpen, findings });
        }
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    findings.add('unreadable', name, messageOf(error));
  }
}

interface EntryPlace {
  readonly number: number;
  readonly name: string;
  readonly isOpen: boolean;
  readonly findings: Findings;
}

function verifyEntry(line: Line, { number, name, isOpen, findings }: EntryPlace): void {
  const text = line.bytes?.toString('utf8') ?? '';
  if (!line.isTerminated) {
    const what = text.includes('\0') ? 'the segment ends in NUL bytes' : 'the segment ends in half a line';
    if (!isOpen) findings.add('torn_tail', name, what, number);
    return;
  }
  if (!KINDS.includes(text.charAt(0)) || text === '') {
    findings.add('damaged_line', name, 'a line that is no record', number);
  } else if (parseObject(text.slice(1)) === undefined)
    findings.add(
      'damaged_line',
      name,
      text.includes('\0') ? 'a record with NUL bytes' : 'a record that is not JSON',
      number,
    );
}
