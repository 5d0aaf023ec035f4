/** A sample of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;

/**
 * Parses the Prometheus text format 0.0.4 strictly. Throws for a malformed line, a duplicate series, a metric family that
 * is not contiguous, and a sample that contradicts the type of its family.
 */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no newline');
  const types = new Map<string, string>();
  const families: string[] = [];
  const series = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE|UNIT) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'TYPE') {
      if (types.has(name)) throw new Error(`a second type: ${line}`);
      if (!['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest)) throw new Error(line);
      types.set(name, rest);
    }
    if (line.startsWith('#')) continue;
    const sample = parseSample(line);
    const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (series.has(key)) throw new Error(`a series twice: ${line}`);
    series.add(key);
    if (families.at(-1) !== sample.name) {
      if (families.includes(sample.name)) throw new Error(`a family in two places: ${line}`);
      families.push(sample.name);
    }
    const type = types.get(sample.name);
    if (type === undefined) throw new Error(`no type: ${line}`);
    if (type === 'counter' && !(sample.value >= 0 && sample.name.endsWith('_total'))) throw new Error(line);
    samples.push(sample);
  }
  return samples;
}

function parseSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length);
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [all, label = '', value = ''] = LABEL.exec(rest) ?? [];
      if (all === undefined || label in labels) throw new Error(`no label: ${line}`);
      labels[label] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
      rest = rest.slice(all.length).replace(/^,/, '');
    }
    rest = rest.slice(1);
  }
  const [, number] = /^ (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/.exec(rest) ?? [];
  if (number === undefined) throw new Error(`no value: ${line}`);
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) };
}

/** The sum of the samples with this name and at least these labels; undefined if there are none. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}
