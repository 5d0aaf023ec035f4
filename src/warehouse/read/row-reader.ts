import { checkId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/json.ts';
import { parseObject } from '../../model/json.ts';
import type { Flow, FlowWindow, TaskDocument, TaskFlow, WindowQuery } from '../../model/task-reading.ts';
import { spanItems } from '../../store/read/span-item.ts';
import type { VictoriaLogs } from '../client.ts';
import type { RowKind } from '../logsql.ts';
import { readSummary } from '../task-summary.ts';
import { FlowView } from './flow/flow-view.ts';
import { openLineWindow } from './flow/line-window.ts';
import type { TaskViews } from './task-view.ts';

const FLOWS: Readonly<Record<TaskFlow, RowKind>> = { 'webhook-flow': 'stage', 'agent-output': 'output' };

export interface RowReaderOptions {
  readonly logs: VictoriaLogs;
  readonly views: TaskViews;
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
export function createRowReader({ logs, views }: RowReaderOptions): RowReader {
  const viewOf = (taskId: string, kind: RowKind, isWhole: boolean): Promise<FlowView | undefined> =>
    FlowView.open({ logs, kind, unit: checkId('task id', taskId) }, { isWhole });
  const hasTask = async (taskId: string): Promise<boolean> =>
    (await readSummary(logs, checkId('task id', taskId))) !== undefined;
  return {
    hasTask,
    readDocument: async (taskId, document) =>
      (await views.read(checkId('task id', taskId)))?.document(document),
    openFlow: async (taskId, flow) => {
      const view = await viewOf(taskId, FLOWS[flow], true);
      return view && flowOf(view, (text) => [text]);
    },
    openWindow: async (taskId, flow, query) => {
      const view = await viewOf(taskId, FLOWS[flow], false);
      return view && openLineWindow(view, query);
    },
    openTrace: async (taskId) => {
      const view = await viewOf(taskId, 'span', true);
      if (view !== undefined) return flowOf(view, (text) => spanItems(parseObject(text)));
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
