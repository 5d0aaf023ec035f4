import type { StepKind, TaskStep } from './task-step.ts';

/** From the outside to the inside, for spans whose parent is not known. */
const RANK: Readonly<Record<StepKind, number>> = {
  ...{ attempt: 0, workflow: 1, phase: 2, step: 3, agent: 4, tool: 5 },
};

interface Placed {
  readonly step: TaskStep;
  /** Place in the trace, which is the order of the ends. */
  readonly ended: number;
  readonly children: Placed[];
}

/**
 * Steps in the order of their beginnings. Times have milliseconds only, so that several steps may begin at the same time: then a
 * step comes behind its parent, and beside others in an order that does not depend on how fast a run was.
 */
export function orderedSteps(steps: readonly TaskStep[]): readonly TaskStep[] {
  const placed = steps.map((step, ended): Placed => ({ step, ended, children: [] }));
  const known = new Map(placed.map((one) => [one.step.spanId, one]));
  const roots: Placed[] = [];
  for (const one of placed) {
    const parent = one.step.parentId === null ? undefined : known.get(one.step.parentId);
    // A parent ends last: a file of another program may have parents in a ring.
    if (parent === undefined || parent.ended <= one.ended) roots.push(one);
    else parent.children.push(one);
  }
  const found: { readonly step: TaskStep; readonly at: string; readonly place: number }[] = [];
  // No recursion: a file may hold a long chain of parents.
  const open = roots
    .sort(besideEachOther)
    .reverse()
    .map((one) => ({ one, from: '' }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { step, children } = next.one;
    const at = step.at < next.from ? next.from : step.at;
    found.push({ step, at, place: found.length });
    for (const child of children.sort(besideEachOther).reverse()) open.push({ one: child, from: at });
  }
  found.sort((a, b) => (a.at === b.at ? a.place - b.place : a.at < b.at ? -1 : 1));
  return found.map(({ step }) => step);
}

function besideEachOther(a: Placed, b: Placed): number {
  const [left, right] = [a.step, b.step];
  if (left.at !== right.at) return left.at < right.at ? -1 : 1;
  if (left.kind !== right.kind) return RANK[left.kind] - RANK[right.kind];
  // One without a duration may have been over before the other began.
  const [isShort, isOtherShort] = [left.seconds === 0, right.seconds === 0];
  if (isShort !== isOtherShort) return isShort ? -1 : 1;
  // Those that ran side by side end in any order.
  if (!isShort && left.name !== right.name) return left.name < right.name ? -1 : 1;
  return a.ended - b.ended;
}
