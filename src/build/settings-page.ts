import { z } from 'zod';
import { fileSchema } from '../config/file/file-schema.ts';
import { mayBeInFile, SETTING_NAMES } from '../config/read-settings.ts';
import type { SettingGroup } from '../config/setting.ts';
import { SETTINGS, type SettingName } from '../config/settings.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;

const INTRODUCTION = `# Settings

<!-- Written by \`npm run docs:settings\` from src/config/settings.ts and src/config/file/. Do not edit. -->

A value comes from the first of these places that gives one:

1. a flag of the command, such as \`--port\`
2. the environment; an empty variable counts as not set
3. the file \`.env\` in the working directory
4. a configuration file
5. the default

\`tasktrail config\` prints every setting, its value in force and the place that gives it; \`--json\` prints the same for
programs. A value that is not valid stops the start, with the name of the setting.

## Environment

Every \`tasktrail\` command reads \`.env\` in its working directory, as \`node --env-file\` reads it: \`NAME=value\` or
\`export NAME=value\` in a line, \`#\` before a comment, and quotes around a value with a \`#\`, with blanks at
its ends or with several lines: \`"\`, \`'\` or a backtick. In double quotes \`\\n\` is a newline. Nothing is expanded. A
variable that is set already wins.

- Commands that run in any checkout (\`run\`, \`emit\`, \`workflow\`, \`send\`, \`tasks\`, \`logs\`, \`workflows\`) take less from it, see
  [below](#files-of-a-checkout).
- A \`.env\` of another program counts as well: its \`HOST\` and \`PORT\` are those of a service that starts there.
- The library (\`startTasktrail\`) does not read it: start your program with \`node --env-file=.env\`.
- A secret can stand in a file of its own, as Docker and Kubernetes hand secrets over: \`<NAME>_FILE\` has its path, and one
  newline at its end is left out. It holds for every setting whose row says so, and for \`\${NAME}\` in the secrets of webhooks and in \`notify\`.
  Only one of \`<NAME>\` and \`<NAME>_FILE\` may be set. For any other setting the start names \`<NAME>_FILE\` as not used. The file is a regular one of at most 64 KiB.
- Agents get no variable from it, except \`TASK_LOGS_ENABLED\`, \`TASK_LOGS_EMIT_WORKFLOW_EVENTS\` and those that
  [the configuration names](agents.md#environment); the command of \`tasktrail run\` also gets \`TASK_LOGS_DIR\` and
  \`TASK_LOGS_WORKFLOW_DIR\`. A \`tasktrail\` command in an agent reads no \`.env\` itself: its working directory may be
  a checkout of unknown origin.
- \`NODE_OPTIONS\`, \`NODE_PATH\`, \`LD_*\` and \`DYLD_*\` in it are ignored.
`;

const FILE_INTRODUCTION = `## Configuration file

\`tasktrail.config.json\` in the working directory, or the file that \`--config\` names: JSON, in which comments and trailing
commas are allowed. An unknown key is a mistake. The keys \`logging.emit_workflow_events\`,
\`types.workflow.local_retention_days\` and \`types.workflow.cloud_storage\` are also read from
\`.fractary/plugins/{faber,logs}/config.json\`, from the working directory up to the git root; the nearest one wins. A file
is at most 1 MiB long and 64 levels deep. A command inside an agent reads no configuration file.

`;

const CHECKOUT = `## Files of a checkout

A checkout may come from a stranger, and the log directory is shared by all projects. So a file that came with a checkout
decides only about its own events:

| | Files in \`.fractary\` | \`tasktrail.config.json\`, where a service starts or \`--config\` names it | the same file, for \`run\`, \`emit\`, ... | \`.env\`, for \`run\`, \`emit\`, ... |
|---|---|---|---|---|
| switch workflow events on or off | yes | yes | yes | yes |
| \`local_retention_days\` | only more than 7 | yes | only more than 7 | no |
| \`cloud_storage\`: bucket, prefix, endpoint, region | no | yes | no | no |
| \`notify\`: receivers of notifications | no | yes | no | |
| endpoints of records, hosts to listen on | | | | only on loopback |
| \`AWS_*\`, certificates, proxies, variables of other programs | | | | no |
| other settings of tasktrail, the log directory among them | | yes | | yes |

What is not used is named at the start, by \`run\`, and by \`tasktrail config\` and \`doctor\`:
\`cloud_storage in <path> is not used: ...\`. While such a file asks for an upload, no workflow is removed. To use all of these
files as they are, set \`TASK_LOGS_TRUST_PROJECT_CONFIG=true\` in the environment.

The git remote and the directory are the checkout's choice as well: for \`run\`, \`emit\` and the like, a bucket with \`\${ORG}\` or
\`\${PROJECT}\` in its name is used only if the variable \`ORG\` or \`PROJECT\` is set. Git is never run, \`GIT_DIR\` is not read, and
an owner that is not made of letters, digits, \`.\`, \`_\`, \`~\` and \`-\` counts as unknown.
`;

/** The text of docs/settings.md. */
export function settingsPage(): string {
  const groups = new Map<SettingGroup, SettingName[]>();
  for (const name of SETTING_NAMES) {
    const { group } = SETTINGS[name];
    groups.set(group, [...(groups.get(group) ?? []), name]);
  }
  const tables = [...groups].map(
    ([group, names]) =>
      `### ${group}\n\n${table(['Setting', 'Type', 'Default', ''], names.map(settingCells))}`,
  );
  const keys = keyRows(z.toJSONSchema(fileSchema, { io: 'input' }), '');
  return [INTRODUCTION, ...tables, FILE_INTRODUCTION + table(['Key', 'Type', ''], keys), CHECKOUT].join('\n');
}

function settingCells(name: SettingName): readonly string[] {
  const { kind, default: fallback, defaultText, sentence, isSecret, flag, fileKey } = SETTINGS[name];
  const notes = [sentence];
  if (fileKey !== undefined) notes.push(`In a file: \`${fileKey}\`.`);
  if (mayBeInFile(name)) notes.push(`Also in the file that \`${name}_FILE\` names.`);
  if (isSecret === true) notes.push('Never printed.');
  return [
    flag === undefined ? `\`${name}\`` : `\`${name}\`, \`${flag}\``,
    kind.type,
    defaultText ?? valueText(fallback),
    notes.join(' '),
  ];
}

function valueText(value: unknown): string {
  const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
  return text === '' ? '' : `\`${text}\``;
}

/** A row for each key that has a value or a description, parents first. */
function keyRows(schema: JsonSchema, path: string): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if (typeof child === 'boolean') continue;
    const key = path === '' ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    if (child.description !== undefined)
      rows.push([`\`${key}\``, typeText(child) + (isRequired ? ', required' : ''), child.description]);
    rows.push(...keyRows(child, key));
  }
  const { additionalProperties: entries, items } = schema;
  if (typeof entries === 'object') rows.push(...keyRows(entries, `${path}.<name>`));
  if (typeof items === 'object' && !Array.isArray(items)) rows.push(...keyRows(items, `${path}[]`));
  return rows;
}

function typeText(schema: JsonSchema): string {
  const { type, anyOf, items, enum: texts } = schema;
  if (texts !== undefined) return texts.map((text) => `\`${text}\``).join(', ');
  if (anyOf !== undefined)
    return anyOf.map((one) => (typeof one === 'boolean' ? '' : typeText(one))).join(' or ');
  switch (type) {
    case 'string':
      return 'text';
    case 'boolean':
      return '`true` or `false`';
    case 'integer':
      return 'whole number';
    case 'array':
      return typeof items === 'object' && !Array.isArray(items) && items.type === 'string'
        ? 'list of texts'
        : 'list';
    default:
      return [type ?? ''].flat().join(' or ');
  }
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll('|  |', '| |');
  return `${[line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)].join('\n')}\n`;
}
