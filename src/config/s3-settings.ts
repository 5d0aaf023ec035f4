import type { SettingTable } from './setting.ts';
import { httpUrl } from './values/urls.ts';
import { BOOLEAN, text } from './values/value-kinds.ts';

export interface S3Settings {
  readonly TASK_LOGS_S3_BUCKET: string | undefined;
  readonly TASK_LOGS_S3_PREFIX: string;
  readonly TASK_LOGS_S3_ENDPOINT: string | undefined;
  readonly TASK_LOGS_S3_PATH_STYLE: boolean | undefined;
  readonly AWS_ENDPOINT_URL_S3: string | undefined;
  readonly AWS_ENDPOINT_URL: string | undefined;
  readonly AWS_REGION: string;
  readonly AWS_DEFAULT_REGION: string | undefined;
  readonly ORG: string | undefined;
  readonly PROJECT: string | undefined;
}

const STORAGE = 'types.workflow.cloud_storage';

export const S3_SETTINGS: SettingTable<S3Settings> = {
  TASK_LOGS_S3_BUCKET: {
    kind: text('name of a bucket'),
    default: undefined,
    defaultText: 'no upload',
    group: 'S3',
    sentence: `Documents of ended workflows are uploaded to this bucket; \`\${ORG}\` and \`\${PROJECT}\` are replaced.`,
    fileKey: `${STORAGE}.bucket`,
    field: 's3.bucket',
  },
  TASK_LOGS_S3_PREFIX: {
    kind: text('prefix of keys'),
    default: 'workflow/{year}/{month}/',
    group: 'S3',
    sentence: `The start of each key: \`{year}\`, \`{month}\` (two digits) and \`{m}\` are of the workflow; \`\${ORG}\` and \`\${PROJECT}\` are replaced, too.`,
    fileKey: `${STORAGE}.prefix`,
    field: 's3.prefix',
  },
  TASK_LOGS_S3_ENDPOINT: {
    kind: httpUrl('http://localhost:9000'),
    default: undefined,
    defaultText: 'AWS',
    group: 'S3',
    sentence: 'Another S3 server.',
    fileKey: `${STORAGE}.endpoint`,
    field: 's3.endpoint',
    otherwise: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
  },
  TASK_LOGS_S3_PATH_STYLE: {
    kind: BOOLEAN,
    default: undefined,
    defaultText: '`true` if an endpoint is set, else `false`',
    group: 'S3',
    sentence: '`true`: the bucket is in the path of the URL, not in its host.',
    fileKey: `${STORAGE}.force_path_style`,
    field: 's3.pathStyle',
  },
  // The rest of the group belongs to other programs as well: its values are checked only if S3 is on.
  AWS_ENDPOINT_URL_S3: {
    kind: text('URL'),
    default: undefined,
    group: 'S3',
    sentence: 'Read if `TASK_LOGS_S3_ENDPOINT` is not set.',
  },
  AWS_ENDPOINT_URL: {
    kind: text('URL'),
    default: undefined,
    group: 'S3',
    sentence: 'Read if neither of the two above is set.',
  },
  AWS_REGION: {
    kind: text('name of a region'),
    default: 'us-east-1',
    group: 'S3',
    sentence: 'The region of the bucket. The AWS SDK finds the credentials.',
    fileKey: `${STORAGE}.region`,
    field: 's3.region',
    otherwise: ['AWS_DEFAULT_REGION'],
  },
  AWS_DEFAULT_REGION: {
    kind: text('name of a region'),
    default: undefined,
    group: 'S3',
    sentence: 'Read if `AWS_REGION` is not set.',
  },
  ORG: {
    kind: text('name'),
    default: undefined,
    defaultText: "the owner in the git remote's URL",
    group: 'S3',
    sentence: `The value of \`\${ORG}\`.`,
  },
  PROJECT: {
    kind: text('name'),
    default: undefined,
    defaultText: 'the name of the git root, else of the working directory',
    group: 'S3',
    sentence: `The value of \`\${PROJECT}\`.`,
  },
};
