import { spawnSync } from 'node:child_process';

/** A port of a container, and its address on the host. */
export interface ComposePort {
  readonly host_ip?: string;
  readonly target: number;
  readonly published?: string;
}

export interface ComposeMount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly bind?: { readonly create_host_path?: boolean };
}

/** The fields of a service that the tests read, as parsed by the library of `docker compose`. */
export interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly ports?: readonly ComposePort[];
  readonly volumes?: readonly ComposeMount[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly command: readonly string[] | null;
  readonly entrypoint?: readonly string[] | null;
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly restart?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly privileged?: boolean;
  readonly stop_grace_period?: string;
  readonly logging?: { readonly options?: Readonly<Record<string, string>> };
}

export type Compose = Readonly<Record<string, ComposeService>>;

/** Loads the services of a file with exactly these variables. Throws an error with the loader's output. */
export function loadCompose(loader: string, file: string, env: Readonly<Record<string, string>>): Compose {
  const { status, stdout, stderr } = spawnSync(loader, [file], { env, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(stderr);
  // The loader's output has the types of the library.
  const { services } = JSON.parse(stdout) as { readonly services: Compose };
  return services;
}
