/** Options of a call. */
export interface CallOptions {
  /** Ends the call, or the stream: it throws the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
  /** Further headers of the request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface StreamOptions extends CallOptions {
  /** The `id` of an event: goes on behind it, as `after` does. */
  readonly lastEventId?: string | undefined;
}

/** What a method of the client asks for. */
export interface Operation {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly answer: 'json' | 'text' | 'events' | 'nothing';
  readonly hasQuery?: true;
  readonly hasBody?: true;
  readonly paging?: 'cursor' | 'after' | 'link';
  /** Statuses from 400 on whose body is an answer and no problem. */
  readonly alsoAnswers?: readonly number[];
}
