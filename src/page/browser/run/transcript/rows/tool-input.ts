/** A change of a file that a tool call asks for. */
export interface FileEdit {
  readonly path: string;
  readonly kind: 'changed' | 'written' | 'added' | 'deleted';
  readonly before: string;
  readonly after: string;
}

type Input = Readonly<Record<string, unknown>>;

/** Names of arguments that say most of a call, in this order. */
const TELLING = [
  'command',
  'cmd',
  'file_path',
  'filePath',
  'notebook_path',
  'pattern',
  'query',
  'path',
  'url',
  'description',
  'prompt',
  'skill',
  'name',
];

const SUMMARY_MAX = 200;

/** The shell that Codex names in front of each command. */
const SHELL = /^(?:\/\w+)*\/?(?:ba|z)?sh -l?c '([^']*)'$/;

export function inputOf(value: unknown): Input {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Input) : {};
}

/** The command of a shell tool. */
export function commandOf(value: unknown): string | undefined {
  const { command, cmd } = inputOf(value);
  const given = command ?? cmd;
  if (typeof given === 'string') return given;
  if (!Array.isArray(given) || !given.every((word) => typeof word === 'string')) return undefined;
  // `bash -lc <script>`, as Codex prints it.
  return given.length === 3 && /^-l?c$/.test(String(given[1])) ? String(given[2]) : given.join(' ');
}

/** The argument that tells one call from another, on one line. */
export function summaryOf(value: unknown): string {
  if (typeof value === 'string') return oneLine(value);
  const input = inputOf(value);
  const command = commandOf(value);
  if (command !== undefined) return oneLine(SHELL.exec(command)?.[1] ?? command);
  const paths = editsOf(value).map(({ path }) => path);
  if (paths.length > 0) return oneLine([...new Set(paths)].join(', '));
  const named = TELLING.map((name) => input[name]).find(isText);
  const first = named ?? Object.values(input).find(isText);
  if (first !== undefined) return oneLine(first);
  const count = Object.keys(input).length;
  return count === 0 ? '' : oneLine(JSON.stringify(input));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function oneLine(text: string): string {
  const line = text
    .slice(0, 4 * SUMMARY_MAX)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > SUMMARY_MAX ? `${line.slice(0, SUMMARY_MAX)}…` : line;
}

/** The changes of files in the input of a call, by its fields: agents name their tools as they like. */
export function editsOf(value: unknown): readonly FileEdit[] {
  if (typeof value === 'string') return patchEdits(value);
  const input = inputOf(value);
  const path = textOf(input.file_path ?? input.filePath ?? input.path ?? input.notebook_path);
  const patch = [input.input, input.patch, input.patchText, input.command].find(
    (text) => typeof text === 'string' && text.includes('*** Begin Patch'),
  );
  if (typeof patch === 'string') return patchEdits(patch);
  if (Array.isArray(input.changes)) return input.changes.flatMap(changeEdit);
  if (path === undefined) return [];
  const edits = Array.isArray(input.edits) ? input.edits.map(inputOf) : [input];
  const replaced = edits.flatMap((edit): FileEdit[] => {
    const before = textOf(edit.old_string ?? edit.oldString ?? edit.old_str);
    const after = textOf(edit.new_string ?? edit.newString ?? edit.new_str);
    if (before === undefined && after === undefined) return [];
    return [{ path, kind: 'changed', before: before ?? '', after: after ?? '' }];
  });
  if (replaced.length > 0) return replaced;
  const content = textOf(input.content ?? input.new_source ?? input.file_text);
  return content === undefined ? [] : [{ path, kind: 'written', before: '', after: content }];
}

/** Of Codex, which names files and prints no text of them. */
function changeEdit(value: unknown): readonly FileEdit[] {
  const { path, kind } = inputOf(value);
  if (typeof path !== 'string') return [];
  const name = kind === 'add' ? 'added' : kind === 'delete' ? 'deleted' : 'changed';
  return [{ path, kind: name, before: '', after: '' }];
}

const FILE = /^\*\*\* (Update|Add|Delete) File: (.*)$/;
const KINDS = { Update: 'changed', Add: 'added', Delete: 'deleted' } as const;

/** The format of `apply_patch`: a part for each file, with the unchanged lines around. */
function patchEdits(patch: string): readonly FileEdit[] {
  const edits: { path: string; kind: FileEdit['kind']; before: string[]; after: string[] }[] = [];
  if (!patch.includes('*** Begin Patch')) return [];
  for (const line of patch.split('\n')) {
    const found = FILE.exec(line);
    if (found !== null) {
      const kind = KINDS[found[1] as keyof typeof KINDS];
      edits.push({ path: found[2] ?? '', kind, before: [], after: [] });
      continue;
    }
    const edit = edits.at(-1);
    if (edit === undefined || line.startsWith('***')) continue;
    if (line.startsWith('@@')) {
      edit.before.push(line);
      edit.after.push(line);
    } else {
      if (!line.startsWith('+')) edit.before.push(line.slice(1));
      if (!line.startsWith('-')) edit.after.push(line.slice(1));
    }
  }
  return edits.map(({ before, after, ...edit }) => ({
    ...edit,
    before: before.join('\n'),
    after: after.join('\n'),
  }));
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
