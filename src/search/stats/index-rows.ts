import { isTurnOver, nextTurn } from '../../system/turns.ts';
import { readDocuments } from '../index/read-task.ts';
import type { CountedRow, RowNeeds, TaskIndex } from '../index/task-index.ts';
import { unsureTerms } from '../index/task-select.ts';
import type { UseIndex } from '../list/index-list.ts';
import { hasTerms } from '../list/text-check.ts';
import type { TaskSearch } from '../query/task-search.ts';
import type { TaskFiles } from '../searched-files.ts';

export interface IndexRows {
  readonly search: TaskSearch;
  readonly needs: RowNeeds;
  /** Whether a row is to be looked at: before its files are. Default: all. */
  isWanted?(row: CountedRow): boolean;
  /** A promise where files have to be read. */
  add(row: CountedRow): Promise<void> | undefined;
}

/** Adds the rows of a search from the index. False when there is none, or none any more. */
export async function addIndexRows(
  use: UseIndex,
  files: TaskFiles,
  { search, needs, isWanted, add }: IndexRows,
): Promise<boolean> {
  const terms = unsureTerms(search.terms);
  const batches = await use((index: TaskIndex) => index.rows(search, needs));
  if (batches === undefined) return false;
  for (;;) {
    const batch = await use(() => batches.next());
    if (batch === undefined) return false;
    if (batch.done === true) return true;
    if (isTurnOver()) await nextTurn();
    for (const row of batch.value) {
      if (isWanted?.(row) === false) continue;
      if (terms.length > 0) {
        const documents = await readDocuments(files, row.id);
        if (!(await hasTerms(files, row.id, { documents, terms }))) continue;
      }
      const added = add(row);
      if (added !== undefined) await added;
    }
  }
}
