import type { WebhookPreset } from '../../model/webhook-presets.ts';
import type { Markup } from '../markup/own-lines.ts';
import type { HmacAlgorithm } from '../signature.ts';

/** A path names a place in the body, with dots between names and numbers for positions in a list: `issue.fields.0.text`. `\.` is a dot in a name. */
type Path = string;

/** Values by field: `event`, `action`, `author`, `bot`, or a path. `*` in a value stands for any text, `""` for a missing field. */
export type FieldValues = Readonly<Record<string, readonly (string | number | boolean)[]>>;

/** How a sender proves who it is. */
export interface SchemeOptions {
  /** The header that holds the signature or, with `token` and `basic`, the secret. */
  readonly header?: string | undefined;
  /** Path of the signature or token, for senders that put it into the body. */
  readonly signature?: Path | undefined;
  /** The parameter of the address that holds the token. */
  readonly query?: string | undefined;
  /**
   * An HMAC (default `sha256`) or `ed25519`; `token`: the secret itself is sent; `basic`: it is the password of HTTP Basic,
   * with any user name.
   */
  readonly algorithm?: HmacAlgorithm | 'ed25519' | 'token' | 'basic' | undefined;
  /** Of the signature. Default `hex`. */
  readonly encoding?: 'hex' | 'base64' | undefined;
  /** The text before the signature, such as `sha256=`. Default none. */
  readonly prefix?: string | undefined;
  /** The text between several signatures in the header. Entries with another prefix are skipped. Default: a single signature. */
  readonly separator?: string | undefined;
  /**
   * What is signed: `{body}`, `{timestamp}`, `{id}` (the delivery id in its header), `{url}`, `{header:<name>}`,
   * `{body:<path>}` and the text between them. Default `{body}`.
   */
  readonly signed?: string | undefined;
  /** The address as the sender knows it, for `{url}`. */
  readonly url?: string | undefined;
  /** How the secret is written. With `base64`, `whsec_` before it is left out. Default `utf8`. */
  readonly secretEncoding?: 'utf8' | 'base64' | 'hex' | undefined;
  /** Where the time of the delivery stands: a path, a header, or the prefix of an entry beside the signatures (`t=`). It must be signed. */
  readonly timestamp?: Path | undefined;
  readonly timestampHeader?: string | undefined;
  readonly timestampPrefix?: string | undefined;
  /** A delivery whose time is further away from this machine's clock is refused. Default 300. */
  readonly toleranceSeconds?: number | undefined;
}

/** How a vendor checks an address before it sends deliveries to it. */
export interface HandshakeOptions {
  /** `HEAD` is answered with 200; `OPTIONS` as the CloudEvents webhook specification says. Neither is authenticated. */
  readonly methods?: readonly ('HEAD' | 'OPTIONS')[] | undefined;
  /** The values that mark such a request, by path. It is authenticated like every delivery. */
  readonly when?: FieldValues | undefined;
  /** The answer: `{<path>}` in a text is replaced from the body, `{hmac:<path>}` by the hex HMAC-SHA256 of that value. */
  readonly answer?: Readonly<Record<string, unknown>> | undefined;
}

/** Where the fields of an event stand in a body. */
export interface ReadingOptions {
  /** Path of the text that a person has written; of several paths the first one with a text counts. */
  readonly message?: Path | readonly Path[] | undefined;
  /** The markup of that text. Default `markdown`; `text` for a command text. */
  readonly markup?: Markup | undefined;
  /** The text is a command without the trigger before it, as that of a slash command. */
  readonly isCommandText?: boolean | undefined;
  /** Path of the event type, or its header; several paths are joined with dots. Default: the type `webhook`. */
  readonly eventType?: Path | readonly Path[] | undefined;
  readonly eventTypeHeader?: string | undefined;
  /** Paths for `only` and `ignore`; of several paths the first one with a value counts. */
  readonly action?: Path | readonly Path[] | undefined;
  readonly author?: Path | readonly Path[] | undefined;
  readonly bot?: Path | readonly Path[] | undefined;
  /** Path of the id of the comment or message itself; several paths are joined. The same one starts a command once. */
  readonly identity?: Path | readonly Path[] | undefined;
  /** Path of the delivery id, or its header. Without both, a repeated delivery starts its tasks again. */
  readonly deliveryId?: Path | readonly Path[] | undefined;
  readonly deliveryIdHeader?: string | readonly string[] | undefined;
  /** Path of a list of events, for bodies with several; `.` when the body itself is the list. */
  readonly events?: Path | undefined;
  /** Only deliveries with one of the values of each field start something. */
  readonly only?: FieldValues | undefined;
  /** Deliveries with one of the values start nothing. With `bot`, the default is `true`, `bot` and `app`. */
  readonly ignore?: FieldValues | undefined;
  readonly handshake?: HandshakeOptions | undefined;
  /** The answer to deliveries, with status 200; `{words}` in a text says what was started. Default: 202 with the task ids. */
  readonly answer?: Readonly<Record<string, unknown>> | undefined;
  /** Further fields of `source_metadata`: the path of each, by name. */
  readonly sourceMetadata?: Readonly<Record<string, Path>> | undefined;
  /** Starts this command with every delivery. Default: the commands after the trigger in the text. */
  readonly command?: string | undefined;
  /** Default 5 MiB. */
  readonly bodyBytesMax?: number | undefined;
}

/**
 * A sender that signs its deliveries, or sends a secret with them. Its body is JSON or a form. A preset gives every option
 * but the secret; options beside it win.
 */
export interface CustomOptions extends SchemeOptions, ReadingOptions {
  readonly preset?: WebhookPreset | undefined;
  /** One, or several while they are rotated. With `ed25519` the public key: hex, base64 or PEM. */
  readonly secret: string | readonly string[] | undefined;
}

/** A mistake in the options of a sender: the option, and what to do. */
export class SenderProblem extends TypeError {
  readonly sender: string;
  /** In camelCase. */
  readonly option: string;
  readonly problem: string;

  constructor(sender: string, option: string, problem: string) {
    super(`custom.${sender}.${option}${problem.startsWith('must') ? '' : ':'} ${problem}`);
    this.name = 'TypeError';
    this.sender = sender;
    this.option = option;
    this.problem = problem;
  }
}
