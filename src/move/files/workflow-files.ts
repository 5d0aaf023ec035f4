import { parseJson } from '../../model/json.ts';
import { sha256 } from '../../model/sha256.ts';
import type { WorkflowFact } from '../../project/change.ts';
import { WorkflowFold } from '../../project/workflow-fold.ts';
import { isWorkflowFact } from '../../store/workflow-fact-line.ts';
import { nearTime, workflowFile } from '../../store/workflow-place.ts';
import { Feed } from '../../store/write/feed.ts';
import { jsonLine } from '../../store/write/lines/line-keys.ts';
import { OpenWorkflow } from '../../store/write/workflow/open-workflow.ts';
import { eventsText } from '../../store/write/workflow/workflow-text.ts';
import { makeDirectory, replaceFile } from '../../system/durable.ts';
import { isPresent } from '../../system/files/optional-files.ts';
import { type Content, piecesOf } from './content.ts';
import type { LogDirectory } from './log-directory.ts';

/** Writes the files of workflows in the order of the store, which completes those that a killed move has left. */
export class WorkflowFiles {
  readonly #directory: LogDirectory;
  readonly #feed: Feed;

  constructor(directory: LogDirectory) {
    this.#directory = directory;
    this.#feed = new Feed(directory.workflowDir, Date.now);
  }

  /** Whether all files are there: the one of the events is written last, but for the document. */
  async isMade(id: string): Promise<boolean> {
    const month = await this.#directory.places.find(id);
    return month !== undefined && isPresent(workflowFile(month, id, 'events'));
  }

  /** `isThere`: the directory has something of it. */
  async write(id: string, content: Content, isThere: boolean): Promise<void> {
    const facts = await factsOf(content);
    const [first] = facts;
    const nowMs = Date.now();
    const month = await this.#directory.places.place(id, nearTime(first?.timestamp ?? '', nowMs));
    await makeDirectory(month);
    const spans = piecesOf(content, 'workflow-span');
    const span = await spans.next();
    if (span.done !== true)
      await replaceFile(workflowFile(month, id, 'trace'), piecesOf(content, 'workflow-span'));
    await replaceFile(workflowFile(month, id, 'facts'), piecesOf(content, 'event'));
    if (!isThere) {
      const fold = new WorkflowFold(id, sha256);
      fold.add(facts);
      // Where this ends in between, opening the workflow asks the feed what it has.
      await this.#feed.append(fold.envelopes.map((envelope) => jsonLine(envelope)));
      await replaceFile(workflowFile(month, id, 'events'), eventsText(fold.envelopes, undefined));
    }
    // Writes the document, and the events of one that was there. Spans that are missing are built by the holder.
    await OpenWorkflow.open(
      { id, month, nowMs },
      { feed: this.#feed, onDocument: () => {}, isInTask: async () => true },
    );
  }
}

async function factsOf(content: Content): Promise<readonly WorkflowFact[]> {
  const facts: WorkflowFact[] = [];
  for await (const piece of piecesOf(content, 'event'))
    for (const text of piece.toString().split('\n')) {
      const fact = parseJson(text);
      if (isWorkflowFact(fact)) facts.push(fact);
    }
  return facts;
}
