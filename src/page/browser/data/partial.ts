import { signal } from '@preact/signals';

/** Whether the last answer lacked a part of the store. */
export const isPartial = signal(false);
