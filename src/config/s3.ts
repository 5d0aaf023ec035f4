import type { CloudStorageConfig } from './config-file.ts';

/** Where documents go in S3. Credentials are the AWS SDK's own business. */
export interface S3Config {
  readonly bucket: string;
  /** With `{year}`, `{month}` and `{m}` still in it, which are each workflow's own. */
  readonly prefix: string;
  readonly region: string;
  /** Undefined: AWS itself. */
  readonly endpoint: string | undefined;
  /** True: the bucket is a part of the path instead of the host's name. */
  readonly pathStyle: boolean;
}

/** What the environment and the files say of S3. */
export interface S3Options {
  /** By setting name; only what was set. */
  readonly settings: {
    readonly TASK_LOGS_S3_BUCKET: string | undefined;
    readonly TASK_LOGS_S3_PREFIX: string | undefined;
    readonly TASK_LOGS_S3_ENDPOINT: string | undefined;
    readonly TASK_LOGS_S3_PATH_STYLE: boolean | undefined;
    readonly AWS_ENDPOINT_URL_S3: string | undefined;
    readonly AWS_ENDPOINT_URL: string | undefined;
    readonly AWS_REGION: string | undefined;
    readonly AWS_DEFAULT_REGION: string | undefined;
  };
  readonly file: { readonly path: string; readonly value: CloudStorageConfig } | undefined;
  /** For `${ORG}`, asked only where that stands; undefined when nothing says it. */
  readonly org: () => string | undefined;
  /** For `${PROJECT}`. */
  readonly project: string;
}

export interface ResolvedS3 {
  /** Undefined when it is off. */
  readonly s3: S3Config | undefined;
  readonly problems: readonly string[];
  /** Settings whose value a file gave. */
  readonly fromFile: readonly string[];
}

/** A value, and the setting or key that it is from: what a problem is named after. */
interface Given<T> {
  readonly value: T;
  readonly label: string;
  /** The setting that it stands for, where a file gave it. */
  readonly fromFile?: string;
}

const DEFAULT_PREFIX = 'workflow/{year}/{month}/';
const DEFAULT_REGION = 'us-east-1';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

const OF_CONFIG = /\$\{(ORG|PROJECT)\}/g;
const IN_BRACES = /\$?\{[^{}]*\}?|\}/g;
const KNOWN = /^(?:\$\{(?:ORG|PROJECT)\}|\{(?:year|month|m)\})$/;

/** `TASK_LOGS_S3_BUCKET` switches it on, and `cloud_storage.enabled` does; what is wrong counts only then. */
export function resolveS3(options: S3Options): ResolvedS3 {
  const { settings, file } = options;
  const isAsked = settings.TASK_LOGS_S3_BUCKET !== undefined;
  if (!isAsked && file?.value.enabled !== true) return { s3: undefined, problems: [], fromFile: [] };
  const of = readerOf(options);
  const bucket = of('TASK_LOGS_S3_BUCKET', settings.TASK_LOGS_S3_BUCKET, 'bucket');
  const prefix = of('TASK_LOGS_S3_PREFIX', settings.TASK_LOGS_S3_PREFIX, 'prefix');
  const region = of('AWS_REGION', settings.AWS_REGION ?? settings.AWS_DEFAULT_REGION, 'region');
  const endpoint = endpointOf(options);
  const pathStyle = of('TASK_LOGS_S3_PATH_STYLE', settings.TASK_LOGS_S3_PATH_STYLE, 'force_path_style');
  const problems = [...formatProblems(file)];
  const s3: S3Config = {
    bucket: expandBucket(bucket, options, problems),
    prefix: prefix === undefined ? DEFAULT_PREFIX : expand(prefix, options, problems),
    region: region?.value ?? DEFAULT_REGION,
    endpoint: endpoint?.value,
    pathStyle: pathStyle?.value ?? endpoint !== undefined,
  };
  if (bucket === undefined)
    problems.push(`${labelOf(file?.path, 'bucket')}: name the bucket, or set TASK_LOGS_S3_BUCKET`);
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint.value))
    problems.push(
      `${endpoint.label}: use a URL such as http://localhost:9000 (it is ${JSON.stringify(endpoint.value)})`,
    );
  const fromFile = [bucket, prefix, region, endpoint, pathStyle].flatMap((given) => given?.fromFile ?? []);
  return { s3, problems, fromFile };
}

type Key = keyof CloudStorageConfig;
type Read = <K extends Key>(
  setting: string,
  value: CloudStorageConfig[K] | undefined,
  key: K,
) => Given<NonNullable<CloudStorageConfig[K]>> | undefined;

/** The setting's value if it has one, else what the file has under the key. */
function readerOf({ file }: S3Options): Read {
  return (setting, value, key) => {
    if (value !== undefined) return { value, label: setting };
    const own = file?.value[key];
    return own === undefined ? undefined : { value: own, label: labelOf(file?.path, key), fromFile: setting };
  };
}

/** Ours before those that the AWS SDKs read, and all of the environment before the file. */
function endpointOf(options: S3Options): Given<string> | undefined {
  const names = ['TASK_LOGS_S3_ENDPOINT', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'] as const;
  const name = names.find((one) => options.settings[one] !== undefined) ?? names[0];
  return readerOf(options)(name, options.settings[name], 'endpoint');
}

function formatProblems(file: S3Options['file']): readonly string[] {
  const { provider = 's3', format = 'json' } = file?.value ?? {};
  const problems: string[] = [];
  if (provider !== 's3')
    problems.push(
      `${labelOf(file?.path, 'provider')}: only "s3" is supported (it is ${JSON.stringify(provider)})`,
    );
  if (format !== 'json')
    problems.push(
      `${labelOf(file?.path, 'format')}: only "json" is supported (it is ${JSON.stringify(format)})`,
    );
  return problems;
}

function expandBucket(bucket: Given<string> | undefined, options: S3Options, problems: string[]): string {
  if (bucket === undefined) return '';
  const before = problems.length;
  const name = expand(bucket, options, problems);
  if (problems.length === before && !BUCKET.test(name)) {
    problems.push(
      `${bucket.label}: ${JSON.stringify(name)} is no name for a bucket: use 3 to 63 lower-case letters, digits, "." and "-"`,
    );
  }
  return name;
}

/** `${ORG}` and `${PROJECT}` replaced; what else stands in braces is a problem, unless it is the workflow's. */
function expand(given: Given<string>, { org, project }: S3Options, problems: string[]): string {
  const { value, label } = given;
  const unknown = value.match(IN_BRACES)?.find((one) => !KNOWN.test(one));
  if (unknown !== undefined) {
    problems.push(
      `${label}: ${unknown} is no placeholder: use \${ORG} and \${PROJECT}, and in the prefix {year}, {month} and {m}`,
    );
  }
  return value.replaceAll(OF_CONFIG, (whole, name: string) => {
    const found = name === 'ORG' ? org() : project;
    if (found === undefined)
      problems.push(`${label}: ${whole} is not known: no git remote says it, set ${name}`);
    return found ?? '';
  });
}

function labelOf(path: string | undefined, key: Key): string {
  const name = `types.workflow.cloud_storage.${key}`;
  return path === undefined ? name : `${path}: ${name}`;
}
