import type { JsonPrimitive } from '../model/json.ts';
import type { StageFields } from '../record/delivery.ts';
import type { WebhookHeaders } from './headers.ts';
import type { WebhookPayload } from './payload.ts';
import type { Refusal } from './rejection.ts';

export type SourceFields = Readonly<Record<string, JsonPrimitive | undefined>>;

/** What headers say of a delivery before anything is verified. */
export interface UnverifiedIdentity {
  readonly deliveryId?: string | undefined;
  readonly eventType?: string | undefined;
}

export interface WebhookRequestBody {
  readonly headers: WebhookHeaders;
  /** The bytes as they came, which is what was signed. */
  readonly body: Buffer;
  readonly nowMs: number;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** What a person said. */
export interface Said {
  /** As the person wrote it: the task's message. */
  readonly text: string;
  /** Where commands are looked for, when that is not the text itself (a vendor's way to write mentions or code). */
  readonly spoken?: string;
  /** What the text was before it was changed: what was asked for there is not asked for again. */
  readonly former?: string;
  /** The command that every such delivery starts, whatever the text. */
  readonly command?: string | undefined;
}

/** A verified delivery, read. */
export interface WebhookEvent {
  readonly payload: WebhookPayload;
  readonly deliveryId?: string | undefined;
  /** Names of what happened under which it may come once more, as another event with an id of its own. */
  readonly aliases?: readonly string[];
  readonly eventType: string | undefined;
  /** Fields of the stage `received`, beside event type and id. */
  readonly received: StageFields;
  /** Fields of `source_metadata`, beside provider, event type and id. */
  readonly source: SourceFields;
  /** Or why there is nothing to act on. */
  readonly said: Said | { readonly reason: string };
  /** The vendor wants its answers in a shape of its own. */
  shape?(answer: WebhookAnswer, words: string): WebhookAnswer;
  /** The answer to a delivery that is only a question of the vendor's. */
  readonly answer?: WebhookAnswer;
}

/** One sender of webhooks: everything that is its own. A new one is a new file. */
export interface Provider {
  /** Its name in the path and in every record. */
  readonly name: string;
  /** Where its secrets are set, for whoever has not. */
  readonly setting: string;
  /** Any of them signs; none: every delivery is refused. */
  readonly secrets: readonly string[];
  readonly bodyBytesMax: number;
  identify(headers: WebhookHeaders): UnverifiedIdentity;
  /** Undefined when the request is authentic. Takes the same time whichever secret, and however much of it, fits. */
  verify(request: WebhookRequestBody): Promise<Refusal | undefined>;
  /** Throws `RejectedDelivery` for what is signed and cannot be read. */
  read(request: WebhookRequestBody): WebhookEvent;
  /** What the person sees at once; the fields of the stage `immediate_response`. Never throws, takes 2 s at most. */
  respond?(event: WebhookEvent): Promise<StageFields>;
}
