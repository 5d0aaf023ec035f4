import { withTempDir } from './child.mjs';
import { findChromium } from './page-chromium.mjs';
import { peerRows } from './page-peers.mjs';
import { runRows } from './page-run.mjs';
import { listRows } from './page-tasks.mjs';
import { timelineRows } from './page-timeline.mjs';

/** The page in Chromium: what it promises for many tasks, long runs and many spans, and the pages of others beside it. */
export async function benchPage() {
  const chromium = findChromium();
  if (chromium === undefined) return [];
  const rows = [];
  for (const measure of [listRows, runRows, timelineRows, peerRows])
    rows.push(...(await withTempDir((dir) => measure(dir, chromium))));
  return rows;
}
