import { SETTINGS } from '../settings.ts';
import type { ConfigFile } from './file-schema.ts';

interface PlacedFile {
  readonly path: string;
  readonly file: ConfigFile;
  readonly problems: readonly string[];
}

interface BoundedFile extends PlacedFile {
  readonly notes: readonly string[];
  /** Whether it asks for an upload that it may not decide. */
  readonly asksForUpload: boolean;
}

const STORAGE = 'types.workflow.cloud_storage';
const NOTIFY = 'notify';

const DAYS_MIN = SETTINGS.TASK_LOGS_WORKFLOW_RETENTION_DAYS.default;

/** How a user says that a checkout's files may decide everything. */
const CONSENT = 'set TASK_LOGS_TRUST_PROJECT_CONFIG=true, if you know the file';

/**
 * A file that is not trusted came with a checkout, whose author may be a stranger. It names no place that documents are
 * sent to, and it may lengthen the retention but not shorten it: the log directory is shared by all projects of the user.
 */
export function withoutUntrusted(placed: PlacedFile, isTrusted: boolean): BoundedFile {
  const { path, file, problems } = placed;
  if (isTrusted) return { ...placed, notes: [], asksForUpload: false };
  const { cloud_storage: storage, local_retention_days: days } = file.types?.workflow ?? {};
  const isShort = days !== undefined && days < DAYS_MIN;
  const notes: string[] = [];
  const isOfStorage = (text: string): boolean => text.startsWith(`${path}: ${STORAGE}`);
  const isOfNotify = (text: string): boolean => text.startsWith(`${path}: ${NOTIFY}`);
  if (file.notify !== undefined || problems.some(isOfNotify))
    notes.push(`notify in ${path} is not used: ${CONSENT}`);
  if ((storage !== undefined && storage.enabled !== false) || problems.some(isOfStorage))
    notes.push(`cloud_storage in ${path} is not used: ${CONSENT}, or set TASK_LOGS_S3_BUCKET`);
  if (isShort) {
    const why = `a checkout may only lengthen the retention of ${DAYS_MIN} days`;
    notes.push(`local_retention_days in ${path} is not used: ${why}; ${CONSENT}`);
  }
  const { types: _types, notify: _notify, ...rest } = file;
  const kept =
    days === undefined || isShort ? rest : { ...rest, types: { workflow: { local_retention_days: days } } };
  return {
    path,
    file: kept,
    // A value that is not used need not be right.
    problems: problems.filter((text) => !isOfStorage(text) && !isOfNotify(text)),
    notes,
    asksForUpload: storage?.enabled === true || problems.some(isOfStorage),
  };
}
