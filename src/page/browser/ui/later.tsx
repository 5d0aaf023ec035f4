import { signal } from '@preact/signals';
import type { ComponentType, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../data/api.ts';
import { Failure, Loading } from './notice.tsx';

export interface ViewProps {
  readonly id: string;
}

/** A view whose code is loaded when it is opened. */
export function later(load: () => Promise<ComponentType<ViewProps>>): ComponentType<ViewProps> {
  const loaded = signal<ComponentType<ViewProps> | undefined>(undefined);
  const isMissing = signal(false);
  return function Later(props: ViewProps): VNode {
    useEffect(() => {
      if (loaded.peek() !== undefined) return;
      load().then(
        (view) => {
          loaded.value = view;
        },
        () => {
          isMissing.value = true;
        },
      );
    }, []);
    const View = loaded.value;
    if (View !== undefined) return <View {...props} />;
    if (!isMissing.value) return <Loading />;
    // A newer version of the server has other files.
    const error = new ApiError(0, '', 'A part of the page cannot be loaded.');
    return <Failure error={error} retry={() => location.reload()} />;
  };
}
