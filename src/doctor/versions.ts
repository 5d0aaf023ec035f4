import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseObject } from '../model/json.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** As `engines` in package.json says. */
const NODE_MIN: readonly [number, number] = [20, 19];

const API = '@opentelemetry/api';

/** The peer range in package.json: from the next minor version on, SDK and API of ours do not know each other. */
const API_RANGE = /^1\.9\./;

const PACKAGES: readonly string[] = [API, '@opentelemetry/sdk-node', '@opentelemetry/sdk-trace-base'];

export interface VersionsOptions {
  /** Of tasktrail. */
  readonly version: string;
  /** Whose project may have an OpenTelemetry of its own. */
  readonly cwd: string;
  /** Default: this Node's. */
  readonly node?: string;
}

export function lookAtVersions({
  version,
  cwd,
  node = process.versions.node,
}: VersionsOptions): readonly Finding[] {
  return [ok('tasktrail', version), lookAtNode(node), lookAtTelemetry(cwd)];
}

function lookAtNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MIN;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return ok('Node', version);
  const needed = NODE_MIN.join('.');
  return problem('Node', `${version} is too old`, `install Node ${needed} or newer, and start with that`);
}

function lookAtTelemetry(cwd: string): Finding {
  const own = PACKAGES.map((name) => findPackage(name, import.meta.url));
  const what = PACKAGES.map((name, at) => `${name} ${own[at]?.version ?? 'not found'}`).join(', ');
  const theirs = findPackage(API, join(cwd, 'package.json'));
  const ours = own[0];
  if (theirs !== undefined && theirs.folder !== ours?.folder && !API_RANGE.test(theirs.version)) {
    const advice = `in this project, npm install ${API}@1.9 and an SDK of the 2.x line`;
    return warning('OpenTelemetry', `${what}; this project has ${API} ${theirs.version} of its own`, advice);
  }
  return ok('OpenTelemetry', what);
}

interface Found {
  readonly folder: string;
  readonly version: string;
}

/** A package as it is found from there. Not all of them let their package.json be asked for by name. */
function findPackage(name: string, from: string): Found | undefined {
  try {
    const main = createRequire(from).resolve(name);
    for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
      const found = readPackage(join(folder, 'package.json'), name);
      if (found !== undefined) return { folder: realpathSync(folder), version: found };
    }
    return undefined;
  } catch {
    // MODULE_NOT_FOUND: this project has none.
    return undefined;
  }
}

/** Its version, when that is the package's own file and not one of a folder inside it. */
function readPackage(path: string, name: string): string | undefined {
  try {
    const found = parseObject(readFileSync(path, 'utf8'));
    return found?.name === name && typeof found.version === 'string' ? found.version : undefined;
  } catch {
    // ENOENT: a folder inside the package.
    return undefined;
  }
}
