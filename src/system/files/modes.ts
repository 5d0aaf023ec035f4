/** Files and folders that hold keys, queued work and the output of running agents: the owner alone, in every setting. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

let chosen = PRIVATE_FILE;

/**
 * Sets the mode of all other files that this process makes below the log directory: octal, as `TASK_LOGS_FILE_MODE` gives
 * it. Each thread has its own.
 */
export function setFileMode(mode: string): void {
  chosen = Number.parseInt(mode, 8);
}

export function fileMode(): number {
  return chosen;
}

/** Mode of the folders: the permission to enter goes to those who may read the files. */
export function folderMode(): number {
  return chosen | ((chosen & 0o444) >> 2);
}
