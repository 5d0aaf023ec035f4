import { LRUCache } from 'lru-cache';
import { parseJson } from '../../model/json.ts';
import { higherSender, isMark, type Sender } from '../../model/sender.ts';
import { sha256 } from '../../model/sha256.ts';
import { AnnouncedSpans } from '../../project/announced-spans.ts';
import { TaskFold } from '../../project/fold.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import { parseFact } from '../../store/workflow-fact-line.ts';
import type { Standing } from '../../store/write/batch/admission.ts';
import { isFactLine } from '../../store/write/lines/fact-line.ts';
import { hasSent } from '../../store/write/lines/sent-line.ts';
import type { VictoriaLogs } from '../client.ts';
import { givenId, storedId } from '../line-order.ts';
import { isOneOf, type RowKind, rowsOfUnit } from '../logsql.ts';
import { LINE_FIELDS, readLines } from '../rows.ts';
import { readSummary } from '../task-summary.ts';

/** Tasks and workflows of which this process knows who has opened them: a line is not found before about a second. */
const KNOWN_MAX = 50_000;

/** Ids of one query: its text is at most 16 KiB long. */
const IDS_MAX = 50;

export interface TaskStanding extends Standing {
  /** Whether the trail has announced a span: no other sender may send it. */
  isAnnounced(key: string): boolean;
}

/** A record whose sender may not send it. */
export interface RefusedLine {
  readonly kind: RowKind;
  readonly id: string;
  readonly sender: Sender['kind'];
}

/** What senders with fewer rights than the trail may write about: asked for, because no process holds the tasks. */
export class Standings {
  readonly #logs: VictoriaLogs;
  /** Owners that this process has seen or made. They get more rights, never fewer. */
  readonly #owners = new LRUCache<string, Sender['kind']>({ max: KNOWN_MAX });

  constructor(logs: VictoriaLogs) {
    this.#logs = logs;
  }

  /** This process stores something of a sender. */
  note(what: 'task' | 'workflow', id: string, sender: Sender['kind']): void {
    const key = `${what} ${id}`;
    this.#owners.set(key, higherSender(this.#owners.get(key), sender));
  }

  async ofTask(id: string, sender: Sender['kind']): Promise<TaskStanding> {
    const known = this.#owners.get(`task ${id}`);
    // An anonymous sender may not write about the task of another one, whatever else is stored.
    if (sender === 'anonymous' && known !== undefined && known !== 'anonymous') return standingOf(id, known);
    const summary = await readSummary(this.#logs, id);
    const owner = summary === undefined ? known : higherSender(known, summary.owner);
    if (owner !== undefined) this.note('task', id, owner);
    if (sender === 'anonymous' || summary === undefined) return standingOf(id, owner);
    const fold = new TaskFold(id);
    const spans = new AnnouncedSpans();
    for (const text of await this.#textsOf('fact', id)) {
      const fact = parseJson(text);
      if (!isFactLine(fact)) continue;
      fold.add(fact);
      spans.add(fact);
    }
    return { ...standingOf(id, owner, fold.isTerminal), isAnnounced: (key) => spans.isTrails(key) };
  }

  async ofWorkflow(id: string): Promise<Standing> {
    const fold = new WorkflowFold(id, sha256);
    fold.add((await this.#textsOf('event', id)).flatMap((text) => parseFact(text) ?? []));
    const known = this.#owners.get(`workflow ${id}`);
    const owner = fold.owner === undefined ? known : higherSender(known, fold.owner);
    return { owner, isOver: fold.isOver, taskIds: fold.ownTaskIds };
  }

  /** Which of these are stored, or a copy that counts as much: a repeat is not refused. */
  async storedOf(unit: string, lines: readonly RefusedLine[]): Promise<ReadonlySet<RefusedLine>> {
    const found = new Set<string>();
    for (let at = 0; at < lines.length; at += IDS_MAX) {
      const group = lines.slice(at, at + IDS_MAX);
      const kinds = [...new Set(group.map(({ kind }) => kind))];
      const ids = [...new Set(group.map(({ id }) => storedId(id)))];
      const rows = await this.#logs.rows(
        `${rowsOfUnit(kinds, unit)} ${isOneOf('id', ids)} | uniq by (kind, id, sender)`,
      );
      for (const { kind, id = '', sender } of rows)
        found.add(`${kind}\n${givenId(id)}${isMark(sender) ? ` ${sender}` : ''}`);
    }
    return new Set(
      lines.filter(({ kind, id, sender }) =>
        hasSent({ has: (key) => found.has(`${kind}\n${key}`) }, id, isMark(sender) ? sender : undefined),
      ),
    );
  }

  async #textsOf(kind: 'fact' | 'event', unit: string): Promise<readonly string[]> {
    const rows = await this.#logs.rows(`${rowsOfUnit([kind], unit)} | fields ${LINE_FIELDS}`);
    return readLines(rows).flatMap(({ text }) => text ?? []);
  }
}

function standingOf(id: string, owner: Sender['kind'] | undefined, isOver = false): TaskStanding {
  return { owner, isOver, taskIds: new Set([id]), isAnnounced: () => false };
}
