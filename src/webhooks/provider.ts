import type { JsonPrimitive } from '../model/json.ts';
import type { StageFields } from '../record/delivery.ts';
import type { WebhookHeaders } from './headers.ts';
import type { Writing } from './markup/own-lines.ts';
import type { WebhookPayload } from './payload.ts';
import type { Refusal } from './rejection.ts';

export type SourceFields = Readonly<Record<string, JsonPrimitive | undefined>>;

/** The part of a delivery's headers that is recorded before it is verified. */
export interface UnverifiedIdentity {
  readonly deliveryId?: string | undefined;
  readonly eventType?: string | undefined;
}

export interface WebhookRequestBody {
  readonly headers: WebhookHeaders;
  /** The bytes as sent, which the signature covers. */
  readonly body: Buffer;
  readonly nowMs: number;
  /** The parameters of the address. */
  readonly query: URLSearchParams;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A text that a person has written. */
export interface Said {
  /** Unchanged: the message of the task. */
  readonly text: string;
  /** The text as the vendor sends it, with its markup, which is searched for commands. */
  readonly writing: Writing;
  /** The text before an edit. Its commands do not start again. */
  readonly former?: Writing;
  /** The command that every such delivery starts, with any text. */
  readonly command?: string | undefined;
}

/** A verified and parsed delivery. */
export interface WebhookEvent {
  readonly payload: WebhookPayload;
  readonly deliveryId?: string | undefined;
  /**
   * Names the comment, message or issue whose text this is, as every delivery about it does, with whatever id and event.
   * Different for every other one of this provider.
   */
  readonly subject?: string | undefined;
  readonly eventType: string | undefined;
  /** Fields of the stage `received`, besides event type and id. */
  readonly received: StageFields;
  /** Fields of `source_metadata`, besides provider, event type and id. */
  readonly source: SourceFields;
  /** Or the reason why the delivery starts nothing. */
  readonly said: Said | { readonly reason: string };
  /** Converts an answer into the form that the vendor expects. */
  shape?(answer: WebhookAnswer, words: string): WebhookAnswer;
  /** The answer to a request that the vendor sends to check the URL. */
  readonly answer?: WebhookAnswer;
}

/** One sender of webhooks. A new sender is a new file. */
export interface Provider {
  /** In the path and in every record. */
  readonly name: string;
  /** The setting for its secrets, for error messages. */
  readonly setting: string;
  /** Each of them is accepted. Without any, every delivery is refused. */
  readonly secrets: readonly string[];
  /** Why its secrets could be guessed, a line each. Default: as `weaknessesOf` finds. */
  readonly weaknesses?: readonly string[];
  readonly bodyBytesMax: number;
  identify(headers: WebhookHeaders): UnverifiedIdentity;
  /** Undefined when the request is authentic. The time taken does not depend on the secrets. */
  verify(request: WebhookRequestBody): Promise<Refusal | undefined>;
  /** Several events only from senders that put a list into one body. Throws `RejectedDelivery` for a signed body that cannot be parsed. */
  read(request: WebhookRequestBody): WebhookEvent | readonly [WebhookEvent, ...WebhookEvent[]];
  /** Shows the person that the delivery has arrived. Returns the stage `immediate_response`. Never throws, takes 2 s at most. */
  respond?(event: WebhookEvent): Promise<StageFields>;
  /** Requests without a body by which the vendor checks the address. They are answered without authentication. */
  readonly handshakes?: readonly ('HEAD' | 'OPTIONS')[] | undefined;
}
