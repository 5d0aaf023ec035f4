import { ATTR } from '../../../model/attributes.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { OtlpSpan } from '../../../model/otlp.ts';
import { higherSender, isMark, type Sender, type SenderMark } from '../../../model/sender.ts';
import type { FactLine } from '../../../project/change.ts';

interface StoredTask {
  readonly facts: readonly FactLine[];
  readonly metadata: JsonObject | undefined;
  readonly hasLines: boolean;
}

/**
 * Who has opened a stored task, from its files: its facts carry marks, and its metadata says whose the other lines are. All
 * that older versions have written is the trail's. Undefined for a task without files.
 */
export function ownerOf({ facts, metadata, hasLines }: StoredTask): Sender['kind'] | undefined {
  const said = facts.reduce<Sender['kind'] | undefined>(
    (highest, { sender }) => higherSender(highest, sender ?? 'trail'),
    undefined,
  );
  if (metadata === undefined) return said ?? (hasLines ? 'trail' : undefined);
  return higherSender(said, isMark(metadata.opened_by) ? metadata.opened_by : 'trail');
}

/** A span of another sender than the trail. One that the holder builds for it comes back as the trail's, and keeps the mark. */
export function markedSpan(span: OtlpSpan, mark: SenderMark): OtlpSpan {
  const own = { key: ATTR.sender, value: { stringValue: mark } };
  return { ...span, attributes: [...span.attributes.filter(({ key }) => key !== ATTR.sender), own] };
}

export function hasFactOf(facts: Iterable<FactLine>, owner: Sender['kind'] | undefined): boolean {
  for (const { sender = 'trail' } of facts) if (sender === owner) return true;
  return false;
}
