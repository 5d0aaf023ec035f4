export interface HostileRequest {
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

export const HOSTILE: Readonly<Record<string, () => HostileRequest>>;
