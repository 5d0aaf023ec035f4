import type { Config } from '../config/config.ts';
import { TasktrailError } from '../errors.ts';
import type { Reader } from '../serve/reader.ts';
import { searchingReader } from '../trail/search/searching-reader.ts';
import { VictoriaLogs } from '../warehouse/client.ts';

/** The records that a command reads. */
export interface OpenedRecords {
  /** For messages. */
  readonly place: string;
  readonly reader: Reader;
  /** Ids of all tasks, where they are no folders. */
  readonly names?: (() => Promise<readonly string[]>) | undefined;
}

type Place = Pick<Config, 'logDir' | 'workflowDir' | 's3' | 'storeUrl'>;

/**
 * Those of the log directory, or of the VictoriaLogs of `TASK_LOGS_STORE_URL`: no service has to run. `dir`, which `--dir` gives, names
 * files also where that is set for the services.
 */
export async function openRecords(config: Place, dir: string | undefined): Promise<OpenedRecords> {
  const { storeUrl, logDir } = config;
  if (storeUrl === undefined || dir !== undefined) return { place: logDir, reader: searchingReader(config) };
  const { warehouseReader, warehouseSource } = await import('../trail/search/warehouse-reader.ts');
  const logs = new VictoriaLogs(storeUrl);
  return {
    place: `VictoriaLogs at ${logs.name}`,
    reader: warehouseReader({ logs }),
    names: () => warehouseSource(storeUrl).files.names(),
  };
}

/** For a command of files alone. Throws `ERR_CONFIG_INVALID` with what to do in its place. */
export function refuseInVictoriaLogs(
  { storeUrl }: Pick<Config, 'storeUrl'>,
  {
    dir,
    command,
    advice,
  }: { readonly dir: string | undefined; readonly command: string; readonly advice: string },
): void {
  if (storeUrl === undefined || dir !== undefined) return;
  throw new TasktrailError(
    'ERR_CONFIG_INVALID',
    `"tasktrail ${command}" is for files, and TASK_LOGS_STORE_URL names a VictoriaLogs: ${advice}. With --dir it works on a log directory`,
  );
}
