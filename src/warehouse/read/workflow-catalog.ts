import { LRUCache } from 'lru-cache';
import { isWorkflowId } from '../../model/ids.ts';
import { type JsonObject, parseObject } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import { readIso } from '../../model/time.ts';
import type { StoredWorkflow, WorkflowDocument, WorkflowWait } from '../../model/workflow.ts';
import { waitOf } from '../../project/activity/waiting-approval.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import { redactJson } from '../../redact/redact.ts';
import { uploadStateOf } from '../../store/read/records/upload-state.ts';
import { summaryOf, type WorkflowSummary } from '../../store/read/records/workflow-summary.ts';
import { type StoredRecord, workflowRecord } from '../../store/read/stored-record.ts';
import { parseFact } from '../../store/workflow-fact-line.ts';
import { mapBounded } from '../../system/files/map-bounded.ts';
import { arrivalOf } from '../arrival.ts';
import type { VictoriaLogs } from '../client.ts';
import { rowsOfKinds, rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, type ReadLine, readLines } from '../rows.ts';
import type { SharedState } from './shared-state.ts';

/** About 1,500 bytes each, so at most 30 MB. */
const SUMMARIES_MAX = 20_000;

/** Late events make one new revision when nothing has come for so long, as of files. */
export const SETTLE_MS = 2_000;

/** What was stored before the end is visible so long after it. */
const QUIET_MS = 2_500;

/** A workflow with the times at which its events came. */
export interface FoldedWorkflow {
  readonly fold: WorkflowFold;
  readonly lines: readonly ReadLine[];
}

interface Cached {
  readonly version: string;
  readonly summary: WorkflowSummary;
}

/** The workflows of a VictoriaLogs, by their events. */
export class WorkflowCatalog {
  readonly #logs: VictoriaLogs;
  readonly #now: () => number;
  readonly #shared: SharedState | undefined;
  readonly #summaries = new LRUCache<string, Cached>({ max: SUMMARIES_MAX });

  constructor(logs: VictoriaLogs, now: () => number, shared?: SharedState) {
    this.#logs = logs;
    this.#now = now;
    this.#shared = shared;
  }

  /** Undefined when there is no such workflow. */
  async fold(id: string): Promise<WorkflowFold | undefined> {
    return (await this.folded(id))?.fold;
  }

  async read(id: string): Promise<StoredWorkflow | undefined> {
    const folded = await this.folded(id);
    if (folded === undefined) return undefined;
    const { state, envelopes } = folded.fold;
    const [document, uploaded] = [this.#currentOf(folded), await this.#shared?.uploadOf(id)];
    return {
      state,
      events: envelopes,
      document,
      upload: uploaded === undefined ? undefined : uploadStateOf(uploaded ?? undefined, document),
      waitsFor: waitOf(folded.fold),
    };
  }

  /** As `read`, without a document while events of another service may still become visible. */
  async readQuiet(id: string): Promise<StoredWorkflow | undefined> {
    const read = await this.read(id);
    if (read?.document === undefined) return read;
    const [row] = await this.#logs.rows(`${rowsOfUnit(['event'], id)} | stats max(_time) latest`);
    const isQuiet = this.#now() - Date.parse(row?.latest ?? '') >= QUIET_MS;
    return isQuiet ? read : { ...read, document: undefined };
  }

  /** All workflows, in no order. Reads only those that have changed since the last call. */
  async records(): Promise<readonly StoredRecord[]> {
    const rows = await this.#logs.rows(
      `${rowsOfKinds(['event'])} | stats by (unit) count() rows, max(_time) latest`,
    );
    const records = await mapBounded(rows, async ({ unit: id = '', rows: count, latest = '' }) => {
      const version = `${count} ${latest}`;
      const known = this.#summaries.get(id);
      const summary = known?.version === version ? known.summary : await this.#summaryOf(id);
      if (summary === undefined) return undefined;
      this.#summaries.set(id, { version, summary });
      return workflowRecord(summary, {
        ...{ at: placeOf(summary.started_at, arrivalOf({ _time: latest })), source: id },
        texts: async () => (await this.fold(id))?.envelopes ?? [],
        item: async () => ({
          ...itemOf(summary, await this.#waitOf(summary)),
          ...(await this.#uploadIn(id)),
        }),
      });
    });
    return records.filter((record) => record !== undefined);
  }

  async #summaryOf(id: string): Promise<WorkflowSummary | undefined> {
    const fold = await this.fold(id);
    return fold && summaryOf(fold.state);
  }

  /** Few wait, and the summary of all would be longer with it. */
  async #waitOf({ workflow_id: id, status }: WorkflowSummary): Promise<WorkflowWait | undefined> {
    const fold = status === 'waiting' ? await this.fold(id) : undefined;
    return fold && waitOf(fold);
  }

  async #uploadIn(id: string): Promise<JsonObject> {
    const uploaded = await this.#shared?.uploadOf(id);
    if (uploaded === undefined) return {};
    const folded = await this.folded(id);
    const upload = uploadStateOf(uploaded ?? undefined, folded && this.#currentOf(folded));
    return upload === undefined ? {} : { upload: { ...upload } };
  }

  /** As `fold`. */
  async folded(id: string): Promise<FoldedWorkflow | undefined> {
    if (!isWorkflowId(id)) return undefined;
    const rows = await this.#logs.rows(`${rowsOfUnit(['event'], id)} | fields ${LINE_FIELDS}`);
    const lines = readLines(rows);
    const fold = new WorkflowFold(id, sha256);
    fold.add(lines.flatMap(({ text }) => parseFact(text ?? '') ?? []));
    return fold.isEmpty ? undefined : { fold, lines };
  }

  /** The document of an earlier attempt is not current. */
  #currentOf(folded: FoldedWorkflow): (JsonObject & WorkflowDocument) | undefined {
    const { state } = folded.fold;
    const document = state.completed_at === null ? undefined : this.#documentOf(folded);
    return document?.attempt === state.attempt ? document : undefined;
  }

  /** As it is read from its file. No process counts the revisions: they follow from the times at which events came. */
  #documentOf({ fold, lines }: FoldedWorkflow): (JsonObject & WorkflowDocument) | undefined {
    const document = fold.document(revisionOf(fold, lines, this.#now()));
    const stored = document && parseObject(redactJson(JSON.stringify(document)));
    return stored as (JsonObject & WorkflowDocument) | undefined;
  }
}

/** One for the end, and one for each group of later events. */
function revisionOf(fold: WorkflowFold, lines: readonly ReadLine[], nowMs: number): number {
  const { endId } = fold;
  const end = lines.find(({ id }) => id === endId);
  const later = lines
    .filter(({ arrived }) => arrived > (end?.arrived ?? ''))
    .map(({ arrived }) => Date.parse(arrived));
  let revision = 1;
  let last = Number.NEGATIVE_INFINITY;
  for (const ms of later.sort((a, b) => a - b)) {
    // A group counts once it is over.
    if (ms - last >= SETTLE_MS && nowMs - ms >= SETTLE_MS) revision += 1;
    last = ms;
  }
  return revision;
}

/** Senders choose the time, and one of the future would stand first for ever. */
function placeOf(startedAt: string | null, latest: string): string {
  const at = readIso(startedAt) ?? '';
  const arrived = readIso(latest) ?? '';
  return at > arrived ? arrived : at;
}

function itemOf(
  { phases: _phases, steps: _steps, ...summary }: WorkflowSummary,
  wait: WorkflowWait | undefined,
): JsonObject {
  return { ...summary, measured: { ...summary.measured }, waits_for: wait ? { ...wait } : null };
}
