import { benchAgent } from './agent.mjs';
import { benchBacklog } from './backlog.mjs';
import { benchCollector } from './collector.mjs';
import { benchEmit } from './emit.mjs';
import { benchFeed } from './feed.mjs';
import { benchFsync } from './fsync.mjs';
import { benchHostile } from './hostile.mjs';
import { benchHostileComments } from './hostile-comments.mjs';
import { benchMarkup } from './markup.mjs';
import { benchMove } from './move.mjs';
import { benchOtlp } from './otlp.mjs';
import { benchPage } from './page.mjs';
import { benchRecord } from './record.mjs';
import { benchRedact } from './redact.mjs';
import { benchSearch } from './search.mjs';
import { benchService } from './service.mjs';
import { benchStore } from './store.mjs';
import { benchStream } from './stream.mjs';
import { benchWarehouse } from './warehouse.mjs';
import { benchWebhooks } from './webhooks.mjs';

/** `node test/bench/main.mjs [record] [otlp] [service] [emit] [feed] [fsync] [webhooks] [hostile] [markup] [hostile-comments] [agent] [collector] [store] [stream] [redact] [backlog] [search] [page] [warehouse] [move]`: runs the named parts, by default all. */
const PARTS = {
  record: benchRecord,
  otlp: benchOtlp,
  service: benchService,
  emit: benchEmit,
  feed: benchFeed,
  fsync: benchFsync,
  webhooks: benchWebhooks,
  hostile: benchHostile,
  markup: benchMarkup,
  'hostile-comments': benchHostileComments,
  agent: benchAgent,
  collector: benchCollector,
  store: benchStore,
  stream: benchStream,
  redact: benchRedact,
  backlog: benchBacklog,
  search: benchSearch,
  page: benchPage,
  warehouse: benchWarehouse,
  move: benchMove,
};

const wanted = process.argv.slice(2);
const rows = [];
for (const [name, bench] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`bench: ${name} ...\n`);
  rows.push(...(await bench()));
}
process.stdout.write(`\n${formatTable(rows)}\n`);

/** Ratios compare two measurements of the same run. Figures in parentheses depend on the machine. */
function formatTable(all) {
  const cells = all.map(({ what, ratio, absolute, aim, met }) => [
    what,
    ratio,
    `(${absolute})`,
    aim ?? '',
    met === undefined ? '' : met ? 'met' : 'MISSED',
  ]);
  const table = [['measurement / baseline', 'ratio', '(absolute)', 'aim', ''], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
