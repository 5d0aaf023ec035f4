import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Dashboard, GRAFANA, type Panel, readDashboards } from '../support/dashboard-queries.ts';
import { layoutOf } from './layout.ts';

const boards = readDashboards();
const panels = boards.flatMap((board) =>
  board.panels.map((panel) => ({ ...panel, at: `${board.uid}, ${panel.title}` })),
);
const shown = panels.filter(({ type }) => type !== 'row');

test('there are four dashboards with fixed uids', () => {
  expect(boards.map(({ uid }) => uid)).toEqual([
    'tasktrail-pipeline',
    'tasktrail-tasks',
    'tasktrail-webhooks',
    'tasktrail-workflows',
  ]);
  expect(new Set(boards.map(({ title }) => title)).size).toBe(4);
});

test.each(boards)('$title opens on the last six hours and links to the others', (board) => {
  expect(board).toMatchObject({
    schemaVersion: 42,
    tags: ['tasktrail'],
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    links: [{ type: 'dashboards', tags: ['tasktrail'], keepTime: true }],
  });
  // Grafana's database assigns the id; an imported file must not have one.
  expect(board).not.toHaveProperty('id');
  expect(board.description.length).toBeGreaterThan(20);
});

test('every panel has a title, a description, a unit and a query', () => {
  expect(shown.length).toBeGreaterThan(40);
  for (const { at, title, description = '', fieldConfig, targets = [] } of shown) {
    expect(title, at).not.toBe('');
    expect(description.length, at).toBeGreaterThan(20);
    expect(fieldConfig?.defaults.unit, at).toMatch(/^\w+$/);
    expect(targets.length, at).toBeGreaterThan(0);
  }
});

test('every line of a chart has a name', () => {
  for (const { at, type, targets = [] } of shown) {
    if (type === 'stat' || type === 'table') continue;
    for (const target of targets)
      expect(target, at).toHaveProperty('legendFormat', expect.stringMatching(/\w/));
  }
});

test.each(boards)('$title: ids are unique and no panel covers another', ({ panels: own }) => {
  expect(new Set(own.map(({ id }) => id)).size).toBe(own.length);
  for (const { targets = [] } of own)
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  expect(overlaps(own)).toEqual([]);
  for (const { gridPos } of own) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
});

test('an overlap of two panels is detected', () => {
  const [first, second] = boards[0]?.panels ?? [];
  expect(first && second && overlaps([first, { ...second, gridPos: first.gridPos }])).toHaveLength(1);
});

test.each([
  ['tasktrail-tasks', ['agent', 'provider']],
  ['tasktrail-webhooks', ['provider']],
  ['tasktrail-workflows', ['workflow']],
  ['tasktrail-pipeline', ['service']],
])('%s has the filters %s, which select all values by default', (uid, names) => {
  const board = boards.find((one) => one.uid === uid);
  const variables = board?.templating.list.filter(({ type }) => type === 'query') ?? [];
  expect(variables.map(({ name }) => name)).toEqual(names);
  // `.*` also matches series without the label.
  for (const variable of variables)
    expect(variable).toMatchObject({
      includeAll: true,
      multi: true,
      allValue: '.*',
      current: { value: ['$__all'] },
    });
  for (const name of names) expect(JSON.stringify(board?.panels)).toContain(`=~\\"$${name}\\"`);
});

test('a task in a table links to its records, and a trace id to Jaeger', () => {
  const text = readFileSync(join(GRAFANA, 'dashboards', 'tasks.json'), 'utf8');
  expect(text.match(/\$\{tasktrail_url\}\/api\/tasks\/\$\{__value\.raw\}\/logs\/full/g)).toHaveLength(2);
  expect(text.match(/\$\{tasktrail_url\}\/tasks\/\$\{__value\.raw\}"/g)).toHaveLength(2);
  expect(text).toMatch(/\$\{jaeger_url\}\/trace\/\$\{__value\.raw\}/);
  const [, explore = ''] = /(\/explore\?[^"]*)/.exec(text) ?? [];
  const panes = new URL(explore.replace(/\$\{__value\.raw\}/, 'f00'), 'http://localhost').searchParams.get(
    'panes',
  );
  expect(JSON.parse(panes ?? '')).toMatchObject({ a: { datasource: 'jaeger', queries: [{ query: 'f00' }] } });
  expect(boards.find(({ uid }) => uid === 'tasktrail-tasks')?.templating.list).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'tasktrail_url', query: 'http://localhost:8000' }),
      expect.objectContaining({ name: 'jaeger_url', query: 'http://localhost:16686' }),
    ]),
  );
});

test('the layout of a dashboard is drawn from its grid positions', () => {
  const panel = (title: string, [x, y, w, h]: readonly [number, number, number, number]): Panel => ({
    id: x + y,
    type: title === 'Row' ? 'row' : 'stat',
    title,
    gridPos: { x, y, w, h },
  });
  const board: Dashboard = {
    uid: 'a',
    title: 'A',
    description: '',
    templating: { list: [] },
    panels: [
      panel('One', [0, 0, 4, 4]),
      panel('Rather long title', [4, 0, 4, 4]),
      panel('Row', [0, 4, 24, 1]),
      panel('Two', [0, 5, 8, 6]),
    ],
  };
  expect(layoutOf(board).split('\n')).toEqual([
    '+---------------+---------------+',
    '|One            |Rather long ti~|',
    '+-- Row --------+---------------+',
    '+-------------------------------+',
    '|Two                            |',
    '+-------------------------------+',
  ]);
});

function overlaps(own: readonly Panel[]): string[] {
  return own.flatMap((a, index) =>
    own
      .slice(index + 1)
      .filter(
        ({ gridPos: b }) =>
          a.gridPos.x < b.x + b.w &&
          b.x < a.gridPos.x + a.gridPos.w &&
          a.gridPos.y < b.y + b.h &&
          b.y < a.gridPos.y + a.gridPos.h,
      )
      .map((b) => `${a.title} covers ${b.title}`),
  );
}
