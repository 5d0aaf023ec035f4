import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Config, type ConfigOptions, loadConfig } from '../../src/config/config.ts';
import type { Environment } from '../../src/config/environment.ts';
import { TasktrailError } from '../../src/errors.ts';

/** The environment of a user who trusts the configuration files of checkouts. */
export const TRUST: Readonly<Record<string, string>> = { TASK_LOGS_TRUST_PROJECT_CONFIG: 'true' };

/** A project directory with configuration files, removed after the test. */
export interface ProjectDir {
  readonly cwd: string;
  /** Writes a file and returns its path. */
  put(name: string, content: string | object): string;
  load(options?: ConfigOptions, environment?: Environment): Config;
  /** The errors of the configuration; empty if it is valid. */
  problems(options?: ConfigOptions): string[];
}

export function projectDir(): ProjectDir {
  const cwd = mkdtempSync(join(tmpdir(), 'tasktrail-project-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const load = (options: ConfigOptions = {}, environment?: Environment): Config =>
    loadConfig({ env: {}, cwd, ...options }, environment);
  return {
    cwd,
    put: (name, content) => {
      const path = join(cwd, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    },
    load,
    problems: (options) => {
      try {
        load(options);
        return [];
      } catch (error) {
        if (error instanceof TasktrailError && error.code === 'ERR_CONFIG_INVALID')
          return error.message.split('\n');
        throw error;
      }
    },
  };
}
