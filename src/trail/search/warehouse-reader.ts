import { TasktrailError } from '../../errors.ts';
import type { Reader } from '../../serve/reader.ts';
import type { VictoriaLogs } from '../../warehouse/client.ts';
import { createRowReader } from '../../warehouse/row-reader.ts';

export interface WarehouseReaderOptions {
  readonly logs: VictoriaLogs;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a folded task is used again, in milliseconds. */
  readonly keepMs?: number;
}

/** A reader of VictoriaLogs. What it does not have answers `ERR_NOT_CONFIGURED`. */
export function warehouseReader(options: WarehouseReaderOptions): Reader {
  return {
    ...createRowReader(options),
    listTasks: absent('the list of tasks'),
    listDeliveries: absent('the list of deliveries'),
    readWorkflow: absent('workflows'),
    listWorkflows: absent('the list of workflows'),
    readFeed: absent('the feed of events'),
    followTask: absent('streams'),
    followTasks: absent('streams'),
    followWorkflow: absent('streams'),
    followFeed: absent('streams'),
  };
}

function absent(what: string): () => Promise<never> {
  return async () => {
    throw new TasktrailError('ERR_NOT_CONFIGURED', `${what}: not yet over VictoriaLogs; see docs/scale.md`);
  };
}
