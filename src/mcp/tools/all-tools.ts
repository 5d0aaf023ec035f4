import type { Tool } from '../tool.ts';
import { compareAttempts } from './compare-attempts.ts';
import { costSummary } from './cost-summary.ts';
import { getTask } from './get-task.ts';
import { getTimeline } from './get-timeline.ts';
import { listDeliveries } from './list-deliveries.ts';
import { readOutput } from './read-output.ts';
import { searchTasks } from './search-tasks.ts';
import { showHealth } from './show-health.ts';

/** All tools, in the order in which clients list them. */
export const TOOLS: readonly Tool[] = [
  searchTasks,
  getTask,
  readOutput,
  getTimeline,
  compareAttempts,
  listDeliveries,
  costSummary,
  showHealth,
];
