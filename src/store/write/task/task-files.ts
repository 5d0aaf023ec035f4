import { join } from 'node:path';
import { isJsonObject } from '../../../model/json.ts';
import { isMark, markOfSpan } from '../../../model/sender.ts';
import type { FactLine } from '../../../project/change.ts';
import { isOwnScope } from '../../../project/span.ts';
import { TASK_FILES } from '../../layout.ts';
import { factKey, isFactLine } from '../lines/fact-line.ts';
import { LineFile, type LineKey, type ReadKey } from '../lines/line-file.ts';
import { scopeOf, sentKey, traceKey } from '../lines/line-keys.ts';
import type { LineWriter } from '../lines/line-writer.ts';
import { supersedeCopies } from '../lines/sent-line.ts';
import { spanOf } from '../lines/sent-span.ts';
import { TaskTelemetry } from './task-telemetry.ts';

export const LINE_FILES = ['webhookFlow', 'agentOutput', 'facts', 'trace'] as const;
export type LineFileName = (typeof LINE_FILES)[number];

export type TaskLineFiles = Readonly<Record<LineFileName, LineFile>>;

/** The line files of a task, and what opening them has read. */
export interface LoadedFiles {
  readonly files: TaskLineFiles;
  readonly facts: FactLine[];
  readonly foreignSpans: number;
  readonly telemetry: TaskTelemetry;
}

/** For a directory that is new. */
export function createFiles(dir: string, writer?: LineWriter): LoadedFiles {
  const file = (name: LineFileName, readKey: ReadKey): LineFile =>
    LineFile.create(join(dir, TASK_FILES[name]), { readKey, writer, isFollowed: name !== 'facts' });
  const files = {
    webhookFlow: file('webhookFlow', sentKey),
    agentOutput: file('agentOutput', sentKey),
    facts: file('facts', factKey),
    trace: file('trace', traceKey),
  };
  return { files, facts: [], foreignSpans: 0, telemetry: new TaskTelemetry() };
}

export async function loadFiles(dir: string, writer?: LineWriter): Promise<LoadedFiles> {
  const facts: FactLine[] = [];
  let foreignSpans = 0;
  const telemetry = new TaskTelemetry();
  const path = (file: LineFileName): string => join(dir, TASK_FILES[file]);
  const followed = { writer, isFollowed: true };
  const marked = { webhookFlow: new MarkedKeys(), agentOutput: new MarkedKeys() };
  const files = {
    webhookFlow: await LineFile.open(path('webhookFlow'), sentKey, {
      ...followed,
      onLine: marked.webhookFlow.add,
    }),
    agentOutput: await LineFile.open(path('agentOutput'), sentKey, {
      ...followed,
      onLine: (line) => {
        marked.agentOutput.add(line);
        telemetry.readLine(line);
      },
    }),
    facts: await LineFile.open(path('facts'), factKey, {
      writer,
      onLine: (line) => {
        if (isFactLine(line)) facts.push(line);
      },
    }),
    trace: await LineFile.open(path('trace'), traceKey, {
      ...followed,
      onLine: (line) => {
        const isMarked = markOfSpan(spanOf(line)?.attributes) !== undefined;
        if (isMarked || !isOwnScope(scopeOf(line))) foreignSpans += 1;
        telemetry.readSpan(line);
      },
    }),
  };
  supersedeLines(files, { webhookFlow: marked.webhookFlow.keys, agentOutput: marked.agentOutput.keys });
  return { files, facts, foreignSpans, telemetry };
}

/** Copies of a record that senders with fewer rights have sent are removed after the end: readers leave them out until then. */
export function supersedeLines(
  files: Pick<TaskLineFiles, MarkedFile>,
  lines: Readonly<Record<MarkedFile, readonly LineKey[]>>,
): void {
  supersedeCopies(files.webhookFlow, lines.webhookFlow);
  supersedeCopies(files.agentOutput, lines.agentOutput);
}

type MarkedFile = 'webhookFlow' | 'agentOutput';

/** The keys of stored lines whose sender is marked. A process before this one may have ended before it removed copies. */
class MarkedKeys {
  readonly keys: LineKey[] = [];
  readonly add = (line: unknown): void => {
    const key = isJsonObject(line) && isMark(line.sender) ? sentKey(line) : undefined;
    if (key !== undefined) this.keys.push(key);
  };
}
