import { createHmac } from 'node:crypto';
import { deliveryIdOf } from '../headers.ts';
import type { WebhookEvent } from '../provider.ts';
import { KEPT_MS } from './ledger.ts';

/** The comment, message or issue that a delivery reports. */
export interface Subject {
  /** The same in all deliveries that report it, and different from that of every other one of this provider. */
  readonly name: string;
  /** Codes of a command of it, one for each secret. The first is for new records; earlier processes may have used others. */
  macsOf(command: string): readonly string[];
}

/** 128 bits cannot be guessed. */
const MAC_HEX_DIGITS = 32;

/**
 * Signs a name with the secrets of its provider. Names can be guessed, and telemetry of other programs can contain delivery
 * records: only a record with the code of a receiver shows that a command of a comment has started. Undefined without a name
 * or a secret.
 */
export function signSubject(
  { name: provider, secrets }: { readonly name: string; readonly secrets: readonly string[] },
  given: string | undefined,
): Subject | undefined {
  const name = deliveryIdOf(given);
  if (name === undefined || secrets.length === 0) return undefined;
  const macsOf = (command: string): readonly string[] => {
    const signed = JSON.stringify(['subject', provider, name, command]);
    return secrets.map((secret) => macOf(secret, signed));
  };
  return { name, macsOf };
}

function macOf(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('hex').slice(0, MAC_HEX_DIGITS);
}

/**
 * The text of an edited comment whose earlier text is not known, or the reason why it starts nothing: after four days it is
 * not known either whether the comment has started a task. `editedOfMs` is the time of the comment; undefined: not edited.
 */
export function unlessForgotten(
  said: WebhookEvent['said'],
  { editedOfMs, nowMs }: { readonly editedOfMs: number | undefined; readonly nowMs: number },
): WebhookEvent['said'] {
  if (editedOfMs === undefined || nowMs - editedOfMs < KEPT_MS || 'reason' in said) return said;
  return { reason: 'an edit after more than four days starts nothing' };
}
