/** A view of the page: `ready` is there when it shows its data. */
export interface View {
  readonly name: string;
  /** Below the mount of the page. */
  path(recorded: Recorded): string;
  readonly ready: string;
}

/** Ids of what the service has recorded. */
export interface Recorded {
  readonly run: string;
  readonly failed: string;
  readonly hostile: string;
  /** The task of a webhook, with its workflow. */
  readonly delivered: string;
  readonly workflow: string;
}

export declare const VIEWS: readonly View[];
export declare const CONFIG: object;
export declare const SECRET: string;
export declare const HOSTILE_MESSAGE: string;
export declare function recordTasks(url: string, token?: string): Promise<Recorded>;
