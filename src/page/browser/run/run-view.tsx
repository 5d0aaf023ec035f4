import type { VNode } from 'preact';
import type { Task } from '../../../client/api/shapes.ts';
import { read } from '../data/api.ts';
import { useResource } from '../data/resource.ts';
import { Failure } from '../ui/notice.tsx';
import { Transcript } from './transcript/transcript.tsx';

export function RunView({ id }: { readonly id: string }): VNode {
  const { state, reload } = useResource([id], (abort) =>
    read<Task>(`/tasks/${encodeURIComponent(id)}`, {}, abort),
  );
  const { value, error } = state.value;
  if (error !== undefined && value === undefined) return <Failure error={error} retry={reload} />;
  if (value === undefined) return <h1>{id}</h1>;
  return (
    <>
      <h1>{id}</h1>
      <Transcript id={id} status={value.status} />
    </>
  );
}
