import { join } from 'node:path';
import type { FactLine } from '../../project/change.ts';
import { isOwnScope } from '../../project/span.ts';
import { TASK_FILES } from '../layout.ts';
import { factKey, isFactLine } from './fact-line.ts';
import { LineFile, type ReadKey } from './line-file.ts';
import { eventKey, scopeOf, traceKey } from './line-keys.ts';
import type { LineWriter } from './line-writer.ts';
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
    LineFile.create(join(dir, TASK_FILES[name]), readKey, writer);
  const files = {
    webhookFlow: file('webhookFlow', eventKey),
    agentOutput: file('agentOutput', eventKey),
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
  const files = {
    webhookFlow: await LineFile.open(path('webhookFlow'), eventKey, { writer }),
    agentOutput: await LineFile.open(path('agentOutput'), eventKey, {
      writer,
      onLine: (line) => telemetry.readLine(line),
    }),
    facts: await LineFile.open(path('facts'), factKey, {
      writer,
      onLine: (line) => {
        if (isFactLine(line)) facts.push(line);
      },
    }),
    trace: await LineFile.open(path('trace'), traceKey, {
      writer,
      onLine: (line) => {
        if (!isOwnScope(scopeOf(line))) foreignSpans += 1;
        telemetry.readSpan(line);
      },
    }),
  };
  return { files, facts, foreignSpans, telemetry };
}
