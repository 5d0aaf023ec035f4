import type { FileValue } from './file/files.ts';
import type { CloudStorageConfig } from './file/plugin-schema.ts';
import type { Given } from './read-settings.ts';
import { SETTINGS, type SettingName, type Settings } from './settings.ts';
import { shortText } from './values/short-text.ts';

/** Destination of documents in S3. The AWS SDK finds the credentials. */
export interface S3Config {
  readonly bucket: string;
  /** Still with `{year}`, `{month}` and `{m}`, which differ by workflow. */
  readonly prefix: string;
  readonly region: string;
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
  /** True: the bucket is in the path of the URL, not in its host. */
  readonly pathStyle: boolean;
}

export interface S3Options {
  readonly given: Given;
  readonly file: FileValue<CloudStorageConfig> | undefined;
  /** For `${ORG}`; called only if that occurs. Undefined: unknown. */
  readonly org: () => string | undefined;
  /** For `${PROJECT}`. */
  readonly project: string;
  /**
   * False: where the environment has no `ORG` and `PROJECT`, a bucket that needs them is not used. The remote and the name
   * of a checkout are chosen by its author, who could own the bucket of that name.
   */
  readonly mayCheckoutNameBucket: boolean;
}

export interface ResolvedS3 {
  /** Undefined when S3 is off. */
  readonly s3: S3Config | undefined;
  readonly problems: readonly string[];
  /** Settings whose value the file gives. */
  readonly fromFile: readonly SettingName[];
  /** A line when S3 is off because the checkout would have named the bucket; then `asksForUpload` is true. */
  readonly notes: readonly string[];
  readonly asksForUpload: boolean;
  /** Whether the name of the bucket comes from the git remote or the directory. */
  readonly isNamedByCheckout: boolean;
}

const OFF: ResolvedS3 = {
  s3: undefined,
  problems: [],
  fromFile: [],
  notes: [],
  asksForUpload: false,
  isNamedByCheckout: false,
};

/** A value, and the setting or key that gives it, for messages. */
interface Labelled<T> {
  readonly value: T;
  readonly label: string;
  /** The setting that it replaces, if a file gives it. */
  readonly fromFile?: SettingName;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

const OF_CONFIG = /\$\{(ORG|PROJECT)\}/g;
const IN_BRACES = /\$?\{[^{}]*\}?|\}/g;
const KNOWN = /^(?:\$\{(?:ORG|PROJECT)\}|\{(?:year|month|m)\})$/;

/** `TASK_LOGS_S3_BUCKET` or `cloud_storage.enabled` switches S3 on; otherwise nothing is checked. */
export function resolveS3(options: S3Options): ResolvedS3 {
  const { given, file } = options;
  const isAsked = given('TASK_LOGS_S3_BUCKET') !== undefined;
  if (!isAsked && file?.value.enabled !== true) return OFF;
  const of = readerOf(options);
  const bucket = of(['TASK_LOGS_S3_BUCKET'], 'bucket');
  const unnamed = unnamedIn(bucket?.value ?? '', given);
  if (bucket !== undefined && unnamed.length > 0 && !options.mayCheckoutNameBucket) {
    const names = unnamed.map((name) => `\${${name}}`).join(' and ');
    const why = `the checkout would choose ${names}: set ${unnamed.join(' and ')}`;
    return { ...OFF, notes: [`${bucket.label} is not used: ${why}`], asksForUpload: true };
  }
  const prefix = of(['TASK_LOGS_S3_PREFIX'], 'prefix');
  const region = of(['AWS_REGION', 'AWS_DEFAULT_REGION'], 'region');
  // The names of tasktrail win over those of the AWS SDKs, and the environment over the file.
  const endpoint = of(['TASK_LOGS_S3_ENDPOINT', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'], 'endpoint');
  const pathStyle = of(['TASK_LOGS_S3_PATH_STYLE'], 'force_path_style');
  const problems = [...formatProblems(file)];
  const s3: S3Config = {
    bucket: expandBucket(bucket, options, problems),
    prefix: prefix === undefined ? SETTINGS.TASK_LOGS_S3_PREFIX.default : expand(prefix, options, problems),
    region: region?.value ?? SETTINGS.AWS_REGION.default,
    endpoint: endpoint?.value,
    pathStyle: pathStyle?.value ?? endpoint !== undefined,
  };
  if (bucket === undefined)
    problems.push(`${labelOf(file?.path, 'bucket')}: name the bucket, or set TASK_LOGS_S3_BUCKET`);
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint.value))
    problems.push(
      `${endpoint.label}: use a URL such as http://localhost:9000 (it is ${shortText(endpoint.value)})`,
    );
  const fromFile = [bucket, prefix, region, endpoint, pathStyle].flatMap((value) => value?.fromFile ?? []);
  return { ...OFF, s3, problems, fromFile, isNamedByCheckout: unnamed.length > 0 };
}

type Key = keyof CloudStorageConfig;
type Read = <Name extends SettingName, K extends Key>(
  names: readonly [Name, ...Name[]],
  key: K,
) => Labelled<NonNullable<Settings[Name]> | NonNullable<CloudStorageConfig[K]>> | undefined;

/** Placeholders of a bucket's name that the environment does not fill. */
function unnamedIn(bucket: string, given: Given): readonly string[] {
  return (['ORG', 'PROJECT'] as const).filter(
    (name) => bucket.includes(`\${${name}}`) && given(name) === undefined,
  );
}

/** The value of the first setting that is set, else of the key in the file. */
function readerOf({ given, file }: S3Options): Read {
  return (names, key) => {
    for (const name of names) {
      const value = given(name);
      if (value !== undefined) return { value, label: name };
    }
    const value = file?.value[key];
    if (value === undefined) return undefined;
    return { value, label: labelOf(file?.path, key), fromFile: names[0] };
  };
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

function expandBucket(bucket: Labelled<string> | undefined, options: S3Options, problems: string[]): string {
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

/** Replaces `${ORG}` and `${PROJECT}`. Placeholders of the workflow stay; all others are problems. */
function expand(labelled: Labelled<string>, { org, project }: S3Options, problems: string[]): string {
  const { value, label } = labelled;
  const unknown = value.match(IN_BRACES)?.find((one) => !KNOWN.test(one));
  if (unknown !== undefined) {
    problems.push(
      `${label}: ${unknown} is no placeholder: use \${ORG} and \${PROJECT}, and in the prefix {year}, {month} and {m}`,
    );
  }
  return value.replaceAll(OF_CONFIG, (whole, name: string) => {
    const found = name === 'ORG' ? org() : project;
    if (found === undefined)
      problems.push(`${label}: ${whole} is not known, because no git remote names an owner: set ${name}`);
    return found ?? '';
  });
}

function labelOf(path: string | undefined, key: Key): string {
  const name = `types.workflow.cloud_storage.${key}`;
  return path === undefined ? name : `${path}: ${name}`;
}
