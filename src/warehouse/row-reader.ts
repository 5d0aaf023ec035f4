import { checkId } from '../model/ids.ts';
import type { JsonObject } from '../model/json.ts';
import type { Flow, FlowWindow, TaskDocument, TaskFlow, WindowQuery } from '../model/task-reading.ts';
import { spanItems } from '../store/read/span-item.ts';
import type { VictoriaLogs } from './client.ts';
import { FlowView } from './flow-view.ts';
import { openLineWindow } from './line-window.ts';
import type { RowKind } from './logsql.ts';
import { readSummary } from './task-summary.ts';
import { TaskViews } from './task-view.ts';

const FLOWS: Readonly<Record<TaskFlow, RowKind>> = { 'webhook-flow': 'stage', 'agent-output': 'output' };

export interface RowReaderOptions {
  readonly logs: VictoriaLogs;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a folded task is used again, in milliseconds. */
  readonly keepMs?: number;
}

/** Reads single tasks from VictoriaLogs. */
export interface RowReader {
  hasTask(taskId: string): Promise<boolean>;
  readDocument(taskId: string, document: TaskDocument): Promise<JsonObject | undefined>;
  openFlow(taskId: string, flow: TaskFlow): Promise<Flow | undefined>;
  openWindow(taskId: string, flow: TaskFlow, query: WindowQuery): Promise<FlowWindow | undefined>;
  openTrace(taskId: string): Promise<Flow | undefined>;
}

/** The same answers as of files. Holds a page of lines in memory for each reader. */
export function createRowReader({ logs, now = Date.now, keepMs }: RowReaderOptions): RowReader {
  const views = new TaskViews(logs, now, keepMs);
  const viewOf = (taskId: string, kind: RowKind): Promise<FlowView | undefined> =>
    FlowView.open({ logs, kind, unit: checkId('task id', taskId) });
  const hasTask = async (taskId: string): Promise<boolean> =>
    (await readSummary(logs, checkId('task id', taskId))) !== undefined;
  return {
    hasTask,
    readDocument: async (taskId, document) =>
      (await views.read(checkId('task id', taskId)))?.document(document),
    openFlow: async (taskId, flow) => {
      const view = await viewOf(taskId, FLOWS[flow]);
      return view && flowOf(view, (text) => [text]);
    },
    openWindow: async (taskId, flow, query) => {
      const view = await viewOf(taskId, FLOWS[flow]);
      return view && openLineWindow(view, query);
    },
    openTrace: async (taskId) => {
      const view = await viewOf(taskId, 'span');
      if (view !== undefined) return flowOf(view, spanItems);
      return (await hasTask(taskId)) ? NO_LINES : undefined;
    },
  };
}

const NO_LINES: Flow = { skippedLines: 0, lines: async function* () {}, close: async () => {} };

function flowOf(view: FlowView, itemsOf: (text: string) => readonly string[]): Flow {
  return {
    skippedLines: view.damaged,
    lines: async function* () {
      for await (const lines of view.pages()) for (const { text } of lines) yield* itemsOf(text);
    },
    close: async () => {},
  };
}
