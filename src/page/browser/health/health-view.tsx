import type { VNode } from 'preact';
import type { Books, HealthReport } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { usePolling } from '../data/polling.ts';
import { useResource } from '../data/resource.ts';
import { href } from '../data/route.ts';
import { Fact } from '../ui/fact.tsx';
import { bytes } from '../ui/format.ts';
import { Failure, Loading } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';

/** What the service says of itself: what is broken, the queue, the disk or the store, the books. */
export function HealthView(): VNode {
  const { state, reload } = useResource<HealthReport>([], (signal) =>
    read<HealthReport>('/health', {}, signal),
  );
  usePolling(reload);
  const { value, error } = state.value;
  if (value === undefined)
    return error === undefined ? <Loading /> : <Failure error={error} retry={reload} />;
  const { status, reasons = {}, notices = {}, books, version, queue, disk, store } = value;
  return (
    <>
      <h1>Health</h1>
      {error !== undefined && <Failure error={error} retry={reload} />}
      <p class="health-state">
        <Status
          status={status === 'ready' ? 'completed' : 'failed'}
          word={status === 'ready' ? 'ready' : 'not ready'}
        />{' '}
        {version !== undefined && <small>tasktrail {version}</small>}
      </p>
      <Sentences title="What is broken" sentences={reasons} isBad />
      <Sentences title="Worth knowing" sentences={notices} />
      {queue !== null && <QueueFacts queue={queue} />}
      {disk !== null && <DiskFacts disk={disk} />}
      {store !== undefined && <StoreFacts store={store} />}
      {books !== undefined && <BookTable books={books} />}
    </>
  );
}

function QueueFacts({ queue }: { readonly queue: NonNullable<HealthReport['queue']> }): VNode {
  const { name, system, problem, waiting, running, delayed, oldest } = queue;
  return (
    <section class="health-part">
      <h2>Queue</h2>
      {problem !== null && <p class="failure">{problem}</p>}
      <dl class="facts">
        <Fact name="Waiting">{shown(waiting)}</Fact>
        <Fact name="Running">{shown(running)}</Fact>
        {delayed !== null && delayed > 0 && <Fact name="Delayed">{shown(delayed)}</Fact>}
        <Fact name="Waits longest">
          {oldest === null ? (
            'none'
          ) : (
            <a href={href(`/tasks/${encodeURIComponent(oldest.task_id)}`)}>
              {oldest.created_at === null ? oldest.task_id : <Ago at={oldest.created_at} />}
            </a>
          )}
        </Fact>
        <Fact name="Kept in">{system === 'in_process' ? 'this process' : `${system}, as ${name}`}</Fact>
      </dl>
    </section>
  );
}

/** As in the check of `tasktrail doctor`. */
const FREE_LOW = 1_073_741_824;
const SHARE_LOW = 0.05;

function DiskFacts({ disk }: { readonly disk: NonNullable<HealthReport['disk']> }): VNode {
  const { path, free_bytes: free, bytes: all, journal_bytes: journal } = disk;
  const share = all > 0 ? free / all : 1;
  return (
    <section class="health-part">
      <h2>Disk</h2>
      {(free < FREE_LOW || share < SHARE_LOW) && (
        <p class="failure">
          The disk is nearly full. Free some space with <code>tasktrail prune</code>, or set a shorter{' '}
          <code>TASK_LOGS_RETENTION_DAYS</code>.
        </p>
      )}
      <dl class="facts">
        <Fact name="Free">
          {bytes(free)} of {bytes(all)} ({Math.floor(share * 100)} %)
        </Fact>
        <Fact name="Journal">{journal === null ? 'unreadable' : bytes(journal)}</Fact>
        <Fact name="Log directory">
          <span class="mono">{path}</span>
        </Fact>
      </dl>
    </section>
  );
}

type Store = NonNullable<HealthReport['store']>;

function StoreFacts({ store }: { readonly store: Store }): VNode {
  const { address, tenant, problem, version, free_bytes: free, waiting, index, lease } = store;
  return (
    <section class="health-part">
      <h2>VictoriaLogs</h2>
      {problem !== null && <p class="failure">{problem}</p>}
      {store.is_read_only === true && (
        <p class="failure">Its disk is full: it takes no records. Add a node, or shorten its retention.</p>
      )}
      <dl class="facts">
        {version !== null && <Fact name="Version">{version}</Fact>}
        {free !== null && <Fact name="Free">{bytes(free)}</Fact>}
        <Fact name="Waiting in memory">{waiting.toLocaleString('en-US')}</Fact>
        <Fact name="Index">{indexText(index)}</Fact>
        <Fact name="Holds the lease">
          <LeaseText lease={lease} />
        </Fact>
        <Fact name="Address">
          <span class="mono">{address}</span>
          {tenant !== '0:0' && ` tenant ${tenant}`}
        </Fact>
      </dl>
    </section>
  );
}

function indexText(index: Store['index']): string {
  if (index === null) return 'made by the first search';
  const { tasks, waiting, problem, is_complete: isComplete } = index;
  if (problem !== null) return problem;
  const counted = `${tasks.toLocaleString('en-US')} tasks`;
  return isComplete ? counted : `${counted}, ${waiting.toLocaleString('en-US')} to go`;
}

function LeaseText({ lease }: { readonly lease: Store['lease'] }): VNode {
  if (lease === null) return <>none: set REDIS_URL</>;
  const { is_held: isHeld, holder, since, problem } = lease;
  if (problem !== null) return <>{problem}</>;
  if (!isHeld && holder === null) return <>none yet</>;
  return (
    <>
      {isHeld ? 'this service' : holder}
      {since !== null && (
        <small>
          {' '}
          since <Ago at={since} />
        </small>
      )}
    </>
  );
}

/** Unknown while the queue cannot be asked. */
function shown(count: number | null): string {
  return count === null ? 'unknown' : count.toLocaleString('en-US');
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
