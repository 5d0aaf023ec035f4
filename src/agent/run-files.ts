import { constants } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Agents print what they read, secrets included: nobody but the owner may look. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Appending, so that the writes of several processes never overlay each other; exclusive, so that no link is followed. */
const WRITE_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL;

/**
 * The standard streams of one run as regular files, in a directory of its own. Not pipes: agent CLIs drop output,
 * their last line included, when the reader of a pipe lags behind.
 */
export class RunFiles {
  readonly directory: string;
  /** To read from while the child writes. */
  readonly stdout: FileHandle;
  readonly stderr: FileHandle;
  /** The child's own handles; undefined stdin means /dev/null. */
  readonly childStdin: FileHandle | undefined;
  readonly childStdout: FileHandle;
  readonly childStderr: FileHandle;

  private constructor(directory: string, handles: Handles) {
    this.directory = directory;
    this.stdout = handles.stdout;
    this.stderr = handles.stderr;
    this.childStdin = handles.childStdin;
    this.childStdout = handles.childStdout;
    this.childStderr = handles.childStderr;
  }

  /** Creates `parent` when it is not there; an existing one keeps its mode. */
  static async create(parent: string, stem: string, input: string | undefined): Promise<RunFiles> {
    await mkdir(parent, { recursive: true, mode: DIRECTORY_MODE });
    const directory = await mkdtemp(join(parent, `${stem}-`));
    const opened: FileHandle[] = [];
    async function openFile(name: string, flags: number): Promise<FileHandle> {
      const handle = await open(join(directory, name), flags, FILE_MODE);
      opened.push(handle);
      return handle;
    }
    try {
      const childStdout = await openFile('stdout', WRITE_FLAGS);
      const childStderr = await openFile('stderr', WRITE_FLAGS);
      const stdout = await openFile('stdout', constants.O_RDONLY);
      const stderr = await openFile('stderr', constants.O_RDONLY);
      if (input !== undefined)
        await writeFile(join(directory, 'stdin'), input, { mode: FILE_MODE, flag: 'wx' });
      const childStdin = input === undefined ? undefined : await openFile('stdin', constants.O_RDONLY);
      return new RunFiles(directory, { stdout, stderr, childStdin, childStdout, childStderr });
    } catch (error) {
      await Promise.all(opened.map((handle) => handle.close()));
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Once the child has its own copies. */
  async closeChildEnds(): Promise<void> {
    await Promise.all([this.childStdin?.close(), this.childStdout.close(), this.childStderr.close()]);
  }

  /** Once everything was read. */
  async remove(): Promise<void> {
    await Promise.all([this.stdout.close(), this.stderr.close()]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

type Handles = Pick<RunFiles, 'stdout' | 'stderr' | 'childStdin' | 'childStdout' | 'childStderr'>;
