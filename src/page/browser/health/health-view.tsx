import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Books, Readiness } from '../../../client/api/shapes.ts';
import { ApiError } from '../data/api.ts';
import { useResource } from '../data/resource.ts';
import { Failure, Loading } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';

const AGAIN_MS = 5_000;

/** What `/readyz` and the books say. */
export function HealthView(): VNode {
  const { state, reload } = useResource<Readiness>([], (signal) => readReadiness(signal));
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const { value, error } = state.value;
  if (value === undefined)
    return error === undefined ? <Loading /> : <Failure error={error} retry={reload} />;
  const { status, reasons = {}, notices = {}, books, version } = value;
  return (
    <>
      <h1>Health</h1>
      {error !== undefined && <Failure error={error} retry={reload} />}
      <p class="health-state">
        <Status
          status={status === 'ready' ? 'completed' : 'failed'}
          word={status === 'ready' ? 'ready' : 'not ready'}
        />{' '}
        <small>tasktrail {version}</small>
      </p>
      <Sentences title="What is broken" sentences={reasons} isBad />
      <Sentences title="Worth knowing" sentences={notices} />
      {books === undefined ? (
        <p>The counts are given to who may read them: open this page at localhost, or with the token.</p>
      ) : (
        <BookTable books={books} />
      )}
    </>
  );
}

/** A 503 is an answer here. The address is beside the API, at the root of the service. */
async function readReadiness(signal: AbortSignal): Promise<Readiness> {
  const response = await fetch(new URL('/readyz', location.origin), { signal });
  if (response.ok || response.status === 503) return (await response.json()) as Readiness;
  throw new ApiError(response.status, '', `/readyz answered ${response.status}`);
}

function Sentences({
  title,
  sentences,
  isBad = false,
}: {
  readonly title: string;
  readonly sentences: Readonly<Record<string, string>>;
  readonly isBad?: boolean;
}): VNode | null {
  const all = Object.entries(sentences);
  if (all.length === 0) return null;
  return (
    <section class={isBad ? 'failure' : 'notices'}>
      <h2>{title}</h2>
      <dl>
        {all.map(([part, text]) => (
          <div key={part}>
            <dt>{part}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function BookTable({ books }: { readonly books: Books }): VNode {
  const rows = Object.entries(books).flatMap(
    ([name, value]): readonly (readonly [string, string, number])[] =>
      typeof value === 'number'
        ? [[name, '', value]]
        : Object.entries(Object(value) as Record<string, unknown>).flatMap(([key, count]) =>
            typeof count === 'number' ? [[name, key, count] as const] : [],
          ),
  );
  return (
    <table class="books">
      <caption>
        Records of this process: recorded = delivered + pending + dropped, for each destination
      </caption>
      <thead>
        <tr>
          <th scope="col">Count</th>
          <th scope="col">Of</th>
          <th scope="col" class="number">
            Records
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, key, count]) => (
          <tr key={`${name} ${key}`}>
            <th scope="row">{name}</th>
            <td>{key}</td>
            <td class="number">{count.toLocaleString('en-US')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
