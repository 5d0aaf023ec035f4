import { ATTR } from './attributes.ts';
import { isJsonObject } from './json.ts';

/** Who sent a record, as the holder's receiver found out. Decides what the record may change. */
export type Sender =
  /** A process that knows the trail's token: the service, its workers, library processes, `emit`, `run`. */
  | { readonly kind: 'trail' }
  /** An agent, or a program that it started: its token names the one task that it may write about. */
  | {
      readonly kind: 'agent';
      readonly taskId: string;
      /** The trail sends what the agent has left: it was recorded while the agent ran, and may arrive after the task's end. */
      readonly isLeft?: true;
    }
  /** Any process on this machine, where no `TASK_LOGS_API_TOKEN` is set. */
  | { readonly kind: 'anonymous' };

export const TRAIL: Sender = { kind: 'trail' };
export const ANONYMOUS: Sender = { kind: 'anonymous' };

/** Mark of what other senders than the trail have said; lines without a mark are the trail's. */
export type SenderMark = Exclude<Sender['kind'], 'trail'>;

/** The more may be said, the higher. */
const RANK: Readonly<Record<Sender['kind'], number>> = { trail: 2, agent: 1, anonymous: 0 };

export function isMark(value: unknown): value is SenderMark {
  return value === 'agent' || value === 'anonymous';
}

export function markOf({ kind }: Sender): SenderMark | undefined {
  return kind === 'trail' ? undefined : kind;
}

/** The one of two senders that may say more. Undefined: there is none yet. */
export function higherSender(a: Sender['kind'] | undefined, b: Sender['kind']): Sender['kind'] {
  return a !== undefined && RANK[a] > RANK[b] ? a : b;
}

/** Negative when the first line counts more than the second, by their marks. */
export function compareMarks(a: SenderMark | undefined, b: SenderMark | undefined): number {
  return RANK[b ?? 'trail'] - RANK[a ?? 'trail'];
}

/** The mark of a span's sender. Undefined: the trail. The attributes are unchecked. */
export function markOfSpan(attributes: unknown): SenderMark | undefined {
  if (!Array.isArray(attributes)) return undefined;
  const named: unknown = attributes.find((one: unknown) => isJsonObject(one) && one.key === ATTR.sender);
  const value = isJsonObject(named) && isJsonObject(named.value) ? named.value.stringValue : undefined;
  return isMark(value) ? value : undefined;
}
