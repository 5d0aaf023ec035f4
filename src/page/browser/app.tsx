import type { ComponentType, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { needsLogin } from './data/api.ts';
import { connection } from './data/live.ts';
import { isPartial } from './data/partial.ts';
import { decode, href, place } from './data/route.ts';
import { Login } from './login.tsx';
import { TasksView } from './tasks/tasks-view.tsx';
import { Guarded } from './ui/guarded.tsx';
import { Help } from './ui/help.tsx';
import { later, type ViewProps } from './ui/later.tsx';
import { Empty } from './ui/notice.tsx';
import { ThemeButton } from './ui/theme.tsx';

interface Page {
  readonly pattern: RegExp;
  readonly view: ComponentType<ViewProps>;
  readonly title: string;
}

const PAGES: readonly Page[] = [
  { pattern: /^\/$/, view: TasksView, title: 'Tasks' },
  {
    pattern: /^\/tasks\/([^/]+)$/,
    view: later(async () => (await import('./run/run-view.tsx')).RunView),
    title: 'Run',
  },
  {
    pattern: /^\/workflows$/,
    view: later(async () => (await import('./workflows/workflows-view.tsx')).WorkflowsView),
    title: 'Workflows',
  },
  {
    pattern: /^\/workflows\/([^/]+)$/,
    view: later(async () => (await import('./workflows/workflow-view.tsx')).WorkflowView),
    title: 'Workflow',
  },
  {
    pattern: /^\/deliveries$/,
    view: later(async () => (await import('./deliveries/deliveries-view.tsx')).DeliveriesView),
    title: 'Deliveries',
  },
  {
    pattern: /^\/numbers$/,
    view: later(async () => (await import('./numbers/numbers-view.tsx')).NumbersView),
    title: 'Numbers',
  },
  {
    pattern: /^\/health$/,
    view: later(async () => (await import('./health/health-view.tsx')).HealthView),
    title: 'Health',
  },
];

const LINKS = [
  ['/', 'Tasks', /^\/(?:$|tasks\/)/],
  ['/workflows', 'Workflows', /^\/workflows/],
  ['/deliveries', 'Deliveries', /^\/deliveries/],
  ['/numbers', 'Numbers', /^\/numbers/],
  ['/health', 'Health', /^\/health/],
] as const;

export function App(): VNode {
  const { path } = place.value;
  const found = PAGES.map((page) => ({ page, match: page.pattern.exec(path) })).find(
    ({ match }) => match !== null,
  );
  const title = found?.page.title;
  useEffect(() => {
    if (title !== undefined) document.title = `${title} · tasktrail`;
  }, [title, path]);
  const View = found?.page.view;
  const id = decode(found?.match?.[1] ?? '');
  return (
    <>
      <a class="skip" href={`${path}#main`} target="_self">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href('/')}>
          tasktrail
        </a>
        <nav aria-label="Views">
          {LINKS.map(([to, name, at]) => (
            <a key={to} href={href(to)} aria-current={at.test(path) ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <Live />
        <Help />
        <ThemeButton />
      </header>
      <main id="main" tabIndex={-1}>
        <div role="status">
          {isPartial.value && (
            <p class="failure">A part of the store is away: what is in it is missing here.</p>
          )}
        </div>
        {needsLogin.value ? (
          <Login />
        ) : View === undefined ? (
          <Empty title="There is no such page">
            <p>
              <a href={href('/')}>All tasks</a>
            </p>
          </Empty>
        ) : (
          <Guarded key={path} what="This view">
            <View id={id} />
          </Guarded>
        )}
      </main>
    </>
  );
}

const STATES = {
  off: undefined,
  connecting: 'connecting',
  open: 'live',
  lost: 'connection lost, trying again',
} as const;

function Live(): VNode {
  const state = STATES[connection.value];
  return (
    <span class={`live live-${connection.value}`} role="status">
      {state}
    </span>
  );
}
