import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseObject } from '../model/json.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** The minimum of `engines` in package.json. */
const NODE_MIN: readonly [number, number] = [20, 19];

const API = '@opentelemetry/api';

/** The peer range in package.json. An API of the next minor version does not see providers registered through 1.9. */
const API_RANGE = /^1\.9\./;

/** The OpenTelemetry packages of tasktrail that meet those of the user's program. */
const OWN_PACKAGES: readonly string[] = [API, '@opentelemetry/sdk-trace-base', '@opentelemetry/sdk-metrics'];

const NODE_SDK = '@opentelemetry/sdk-node';

/** `sdk-node` 0.200 is the first of the 2.x line; spans of the 1.x line lack fields that `spanProcessor()` reads. */
const NODE_SDK_MINOR_MIN = 200;

/** Optional peer dependencies, with the command or setting that needs each. */
const OPTIONAL_PACKAGES: readonly (readonly [name: string, neededBy: string])[] = [
  ['express', 'tasktrail start and serve'],
  ['bullmq', 'REDIS_URL'],
  ['ioredis', 'REDIS_URL'],
  ['@aws-sdk/client-s3', 'TASK_LOGS_S3_BUCKET'],
];

export interface VersionsOptions {
  /** Of tasktrail. */
  readonly version: string;
  /** The user's project, which may have OpenTelemetry packages of its own. */
  readonly cwd: string;
  /** Default: this Node's. */
  readonly node?: string;
}

export function checkVersions({
  version,
  cwd,
  node = process.versions.node,
}: VersionsOptions): readonly Finding[] {
  return [ok('tasktrail', version), checkNode(node), checkTelemetry(cwd), checkOptional()];
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MIN;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return ok('Node', version);
  const needed = NODE_MIN.join('.');
  return problem('Node', `${version} is too old`, `install Node ${needed} or newer, and start with that`);
}

function checkTelemetry(cwd: string): Finding {
  const own = OWN_PACKAGES.map((name) => findPackage(name, import.meta.url));
  const what = OWN_PACKAGES.map((name, at) => `${name} ${own[at]?.version ?? 'not found'}`).join(', ');
  const project = join(cwd, 'package.json');
  const api = findPackage(API, project);
  if (api !== undefined && api.folder !== own[0]?.folder && !API_RANGE.test(api.version)) {
    const advice = `in this project, npm install ${API}@1.9 and an SDK of the 2.x line`;
    return warning('OpenTelemetry', `${what}; this project has ${API} ${api.version} of its own`, advice);
  }
  const sdk = findPackage(NODE_SDK, project);
  if (sdk === undefined) return ok('OpenTelemetry', what);
  const found = `${what}; this project has ${NODE_SDK} ${sdk.version}`;
  if (!isOldSdk(sdk.version)) return ok('OpenTelemetry', found);
  const advice = `in this project, npm install ${NODE_SDK}@latest: spanProcessor() needs an SDK of the 2.x line`;
  return warning('OpenTelemetry', found, advice);
}

function isOldSdk(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 0 && minor < NODE_SDK_MINOR_MIN;
}

/** What a setting needs is a problem of that setting's check. The service needs express. */
function checkOptional(): Finding {
  const states = OPTIONAL_PACKAGES.map(([name, neededBy]) => {
    const version = findPackage(name, import.meta.url)?.version;
    return `${name} ${version ?? `not installed (for ${neededBy})`}`;
  });
  const what = states.join(', ');
  if (findPackage('express', import.meta.url) !== undefined) return ok('optional packages', what);
  const advice =
    'to run the service (tasktrail start, tasktrail serve): npm install express where tasktrail is installed';
  return warning('optional packages', what, advice);
}

interface Found {
  readonly folder: string;
  readonly version: string;
}

/** Resolves a package from a file. Some packages do not export their package.json, so it is searched upwards. */
function findPackage(name: string, from: string): Found | undefined {
  try {
    const main = createRequire(from).resolve(name);
    for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
      const found = readPackage(join(folder, 'package.json'), name);
      if (found !== undefined) return { folder: realpathSync(folder), version: found };
    }
    return undefined;
  } catch {
    // MODULE_NOT_FOUND: it is not installed.
    return undefined;
  }
}

/** The version, if this is the package.json of the package itself and not of a folder inside it. */
function readPackage(path: string, name: string): string | undefined {
  try {
    const found = parseObject(readFileSync(path, 'utf8'));
    return found?.name === name && typeof found.version === 'string' ? found.version : undefined;
  } catch {
    // ENOENT: a folder inside the package.
    return undefined;
  }
}
