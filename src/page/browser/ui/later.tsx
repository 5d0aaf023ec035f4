import { useSignal } from '@preact/signals';
import type { ComponentType, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../data/api.ts';
import { Failure, Loading } from './notice.tsx';

export interface ViewProps {
  readonly id: string;
}

/** A view whose code is loaded when it is opened. */
export function later(load: () => Promise<ComponentType<ViewProps>>): ComponentType<ViewProps> {
  let loaded: ComponentType<ViewProps> | undefined;
  return function Later(props: ViewProps): VNode {
    const isMissing = useSignal(false);
    const tries = useSignal(0);
    useEffect(() => {
      if (loaded !== undefined) return;
      load().then(
        (view) => {
          loaded = view;
          tries.value += 1;
        },
        () => {
          isMissing.value = true;
        },
      );
    }, []);
    void tries.value;
    if (loaded !== undefined) {
      const View = loaded;
      return <View {...props} />;
    }
    if (!isMissing.value) return <Loading />;
    // A newer version of the server has other files.
    const error = new ApiError(0, '', 'A part of the page cannot be loaded.');
    return <Failure error={error} retry={() => location.reload()} />;
  };
}
