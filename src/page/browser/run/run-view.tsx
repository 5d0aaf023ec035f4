import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { Task, TaskInput } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { follow } from '../data/live.ts';
import { useResource } from '../data/resource.ts';
import { Failure } from '../ui/notice.tsx';
import { LiveLines } from './live-lines.ts';
import { TranscriptPart } from './transcript-part.tsx';

export function RunView({ id }: { readonly id: string }): VNode {
  const { state, reload } = useResource([id], (abort) =>
    read<Task>(`/tasks/${encodeURIComponent(id)}`, {}, abort),
  );
  const { state: input } = useResource([id], (abort) =>
    read<TaskInput>(`/tasks/${encodeURIComponent(id)}/logs/input`, {}, abort),
  );
  const lines = useMemo(() => new LiveLines(), [id]);
  const chosenCall = useSignal<string | undefined>(undefined);
  useEffect(
    () =>
      follow(
        `/tasks/${encodeURIComponent(id)}/stream`,
        { after: 'now' },
        {
          metadata: reload,
          line: () => lines.line(),
          reset: () => lines.again(),
          end: () => lines.again(),
        },
      ),
    [id],
  );
  const { value, error } = state.value;
  if (error !== undefined && value === undefined) return <Failure error={error} retry={reload} />;
  if (value === undefined) return <h1>{id}</h1>;
  return (
    <>
      <h1>{id}</h1>
      <TranscriptPart
        id={id}
        status={value.status}
        input={input.value.value}
        isSettled={value.settled === true}
        lines={lines}
        chosenCall={chosenCall}
      />
    </>
  );
}
