import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type AlertRule, GRAFANA, readAlerts, readDashboards } from '../support/dashboard-queries.ts';
import { layoutOf } from './layout.ts';

const FILE = join(GRAFANA, 'README.md');

/** `GOLDEN=write npx vitest run test/grafana/readme.test.ts` rewrites the README. Review the diff before you commit it. */
const WRITE = process.env.GOLDEN === 'write';

const boards = readDashboards();

/** The generated parts of the README: the name of their marks and their text. */
const parts: readonly (readonly [string, string])[] = [
  ...boards.map((board) => [board.uid, `\n\`\`\`text\n${layoutOf(board)}\n\`\`\`\n\n`] as const),
  ['alerts', `\n${alertTable(readAlerts())}\n\n`],
];

test.each(parts)('the README has the current text of %s', (mark, text) => {
  const readme = readFileSync(FILE, 'utf8');
  const [begin, end] = [`<!-- begin ${mark} -->\n`, `<!-- end ${mark} -->`];
  const [from, to] = [readme.indexOf(begin) + begin.length, readme.indexOf(end)];
  expect(to).toBeGreaterThanOrEqual(from);
  if (WRITE) writeFileSync(FILE, readme.slice(0, from) + text + readme.slice(to));
  else expect(readme.slice(from, to)).toBe(text);
});

function alertTable(alerts: readonly AlertRule[]): string {
  const titles = new Map(boards.map(({ uid, title }) => [uid, title.replace('tasktrail: ', '')]));
  const rows = alerts.map((alert) => {
    const { type = '', params = [] } =
      alert.data.flatMap(({ model }) => model.conditions ?? []).at(0)?.evaluator ?? {};
    const compared = `${type === 'gt' ? 'above' : 'below'} ${params.join(', ')}`;
    const panel = boards
      .find(({ uid }) => uid === alert.dashboardUid)
      ?.panels.find(({ id }) => id === alert.panelId);
    const shown = `${titles.get(alert.dashboardUid)}: ${panel?.title}`;
    return `| ${alert.title} | ${alert.labels.severity} | ${compared} | ${alert.for} | ${shown} |`;
  });
  return ['| alert | severity | value | for | panel |', '|---|---|---|---|---|', ...rows].join('\n');
}
