import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { asApiError } from '../data/resource.ts';
import { Failure, Loading } from '../ui/notice.tsx';
import type { Transcript, TranscriptProps } from './transcript/transcript.tsx';

const loaded = signal<typeof Transcript | undefined>(undefined);
const problem = signal<Error | undefined>(undefined);

function load(): void {
  problem.value = undefined;
  import('./transcript/transcript.tsx').then(
    (module) => {
      loaded.value = module.Transcript;
    },
    (error: unknown) => {
      problem.value = asApiError(error);
    },
  );
}

/** The transcript. Its code is loaded with the first run that is looked at: the list of tasks does not need it. */
export function TranscriptPart(props: TranscriptProps): VNode {
  useEffect(() => {
    if (loaded.peek() === undefined) load();
  }, []);
  const View = loaded.value;
  if (View !== undefined) return <View {...props} />;
  return problem.value === undefined ? (
    <Loading />
  ) : (
    <Failure error={asApiError(problem.value)} retry={load} />
  );
}
