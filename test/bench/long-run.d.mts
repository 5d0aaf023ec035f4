export function writeLongRun(
  logs: string,
  run: {
    readonly id: string;
    readonly lines: number;
    readonly lineBytes: number;
    readonly metadata: { readonly status: string };
  },
): void;
