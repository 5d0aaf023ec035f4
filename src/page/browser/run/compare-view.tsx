import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import type { Comparison, Task } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { useResource } from '../data/resource.ts';
import { go, href } from '../data/route.ts';
import { duration } from '../ui/format.ts';
import { Empty, Failure, Loading } from '../ui/notice.tsx';
import { Status } from '../ui/status.tsx';

/** Another run, or another attempt of this one, beside it. */
export function CompareView({ task, other }: { readonly task: Task; readonly other: string }): VNode {
  const text = useSignal(other);
  const id = task.task_id;
  return (
    <section class="compare">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          go(href(`/tasks/${id}`, { view: 'compare', with: text.value.trim() }));
        }}
      >
        <label for="with">Compare with a task, or the number of an attempt</label>
        <input
          id="with"
          value={text.value}
          placeholder="task-… or 1"
          onInput={(event) => {
            text.value = event.currentTarget.value;
          }}
        />
        <button type="submit">Compare</button>
        {task.attempt > 1 &&
          Array.from({ length: Math.min(task.attempt - 1, 10) }, (_, n) => (
            <a key={n} href={href(`/tasks/${id}`, { view: 'compare', with: String(n + 1) })}>
              attempt {n + 1}
            </a>
          ))}
      </form>
      {other !== '' && <Compared id={id} other={other} />}
    </section>
  );
}

function Compared({ id, other }: { readonly id: string; readonly other: string }): VNode {
  const { state } = useResource([id, other], (abort) =>
    read<Comparison>(`/tasks/${id}/compare`, { with: other }, abort),
  );
  const { value, error } = state.value;
  if (error !== undefined) return <Failure error={error} />;
  if (value === undefined) return <Loading />;
  const { a, b, differences, rows, first_divergence: first } = value;
  if (differences.length === 0 && rows.length === 0)
    return (
      <Empty title="No difference">
        <p>Both did the same, with the same results.</p>
      </Empty>
    );
  return (
    <>
      <table class="differences">
        <thead>
          <tr>
            <th scope="col">Difference</th>
            {[a, b].map((side, at) => (
              <th key={at} scope="col">
                <a href={href(`/tasks/${side.task_id}`)}>{side.task_id}</a>, attempt {side.attempt}{' '}
                <Status status={side.status ?? 'unknown'} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {differences.map((one, at) => (
            <tr key={at}>
              <th scope="row">
                {one.difference} {one.tool ?? one.step ?? one.phase ?? one.artifact ?? ''}
              </th>
              <td>{shown(one.a)}</td>
              <td>{shown(one.b)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <table class="differences">
        <caption>Steps that differ{first !== null && ', the first one marked'}</caption>
        <tbody>
          {rows.map((row) => (
            <tr key={row.number} class={row.number === first?.number ? 'divergence' : undefined}>
              {[row.a, row.b].map((entry, at) => (
                <td key={at}>
                  {entry === null ? (
                    <em>not here</em>
                  ) : (
                    <>
                      <small>{entry.kind}</small> {entry.name}{' '}
                      {entry.failed && <Status status="failed" isShort />}{' '}
                      <small>{duration(entry.seconds)}</small>
                    </>
                  )}
                </td>
              ))}
              <td>{row.differs.join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function shown(value: number | string | null): string {
  if (value === null) return '–';
  return typeof value === 'number'
    ? value.toLocaleString('en-US', { maximumFractionDigits: 6 })
    : value.slice(0, 500);
}
