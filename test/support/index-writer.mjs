// Writes tasks into an index until it is killed: `node index-writer.mjs <driver> <directory>`.

import { loadDriver } from '../../dist/search/index/driver/load-driver.js';
import { openIndexFile } from '../../dist/search/index/index-file.js';
import { TaskIndex } from '../../dist/search/index/task-index.js';

const [, , name, dir] = process.argv;
const driver = await loadDriver(name);
const index = new TaskIndex(openIndexFile(driver, dir));
process.stdout.write('open\n');
for (let n = index.count(); ; n += 16) {
  index.write(
    Array.from({ length: 16 }, (_, k) => taskOf(n + k)),
    [],
  );
}

function taskOf(n) {
  const words = [
    'everywhere',
    ...Array.from({ length: 300 }, (_, k) => `w${(n * 7_919 + k * 104_729) % 50_000}`),
  ].join(' ');
  const unknown = {
    source: null,
    provider: null,
    agent: null,
    model: null,
    command: null,
    repo: null,
    error_type: null,
    trace_id: null,
    issue: null,
    comment_id: null,
    url: null,
    cost_basis: null,
  };
  const metrics = { cost: 1, input_tokens: 1, output_tokens: 1, duration: 1 };
  return {
    row: {
      id: `task-${n}`,
      at: '2026',
      status: 'completed',
      workflow_ids: [],
      attempt: 1,
      success: true,
      ...unknown,
      ...metrics,
    },
    versions: { folder: '1', output: '1' },
    isOpen: false,
    text: { words, tools: new Map([['Bash', 1]]) },
  };
}
