import { rounded } from '../../model/amounts.ts';
import type { FinalResult, ResultMetrics } from '../../model/documents.ts';
import { isJsonObject, type JsonObject, objectOf } from '../../model/json.ts';

/** What one source says about an attempt. Null: it does not say. Input includes cached input. */
export interface AmountSums {
  readonly cost_usd: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
}

/**
 * Whose amounts count. `result`: what the agents reported themselves and the program added. `stream`: what the messages of an agent
 * say that was ended before its report. The index has their places: a new one comes last.
 */
export const COST_SOURCES = ['result', 'telemetry', 'spans', 'none', 'stream'] as const;
type CostSource = (typeof COST_SOURCES)[number];

/** First words of verdicts. */
export const COST_VERDICTS = ['agrees', 'differs', 'incomplete', 'unknown'] as const;
type CostVerdict = (typeof COST_VERDICTS)[number];

export interface ShortCostBasis {
  readonly source: CostSource;
  readonly verdict: CostVerdict;
}

/** What telemetry says about an attempt, beside what its result states. */
export interface ReportedSums {
  readonly telemetry: AmountSums | undefined;
  readonly spans: AmountSums | undefined;
  /** Runs of earlier attempts, which the metrics do not contain. */
  readonly earlier: AmountSums | undefined;
  /** Where the tokens that the result does not state were taken from; undefined: from nowhere. */
  readonly filledFrom: 'telemetry' | 'spans' | undefined;
  /** Whether spans of the task were dropped. */
  readonly isCut: boolean;
}

interface BasisSums extends ReportedSums {
  readonly stream: AmountSums | undefined;
}

const KINDS = [
  ['cost_usd', 'USD'],
  ['input_tokens', 'input tokens'],
  ['output_tokens', 'output tokens'],
] as const;

const STREAM_KINDS = [
  ...KINDS.map(([kind]) => kind),
  ...(['cache_read_input_tokens', 'cache_creation_input_tokens'] as const),
];

/** Below the price of one token of any model. */
const USD_EPSILON = 1e-8;

/**
 * The result with `metrics.cost_basis`: which source counted, what the others said, and whether they agree. `stated` is the
 * result as its record has it, `counted` the same with the amounts that it takes from telemetry.
 */
export function withCostBasis(
  stated: FinalResult,
  counted: FinalResult,
  reported: ReportedSums,
): FinalResult {
  const said = objectOf(stated.metrics.cost_basis);
  // The record was lost and made again from the document, whose amounts may be those of spans.
  if (
    typeof said.source === 'string' &&
    typeof said.verdict === 'string' &&
    reported.filledFrom === undefined
  )
    return counted;
  const stream = streamIn(said);
  const metrics = withStream(
    stated.metrics,
    counted.metrics,
    reported.filledFrom === undefined ? stream : {},
  );
  const cost_basis = basisOf(stated, { ...counted, metrics }, { ...reported, stream: sumsIn(stream) });
  return { ...counted, metrics: { ...metrics, cost_basis } };
}

type Amounts = Readonly<Record<string, number>>;

/** Tokens of all kinds and cost that the messages of the agents have said. */
function streamIn(said: JsonObject): Amounts {
  const known = STREAM_KINDS.flatMap((name) => {
    const amount = objectOf(said.stream)[name];
    return typeof amount === 'number' && Number.isFinite(amount) && amount > 0
      ? [[name, amount] as const]
      : [];
  });
  return Object.fromEntries(known);
}

/** The amounts with those of runs that have not reported theirs, unless spans say something about these runs. */
function withStream(stated: ResultMetrics, counted: ResultMetrics, stream: Amounts): ResultMetrics {
  const isSame = (['input_tokens', 'output_tokens'] as const).every((name) => stated[name] === counted[name]);
  if (!isSame) return counted;
  const added = Object.entries(stream).map(([name, amount]): [string, number] => {
    const before = counted[name];
    return [name, rounded((typeof before === 'number' ? before : 0) + amount)];
  });
  return { ...counted, ...Object.fromEntries(added) };
}

function sumsIn(stream: Amounts): AmountSums | undefined {
  const { cost_usd = null, input_tokens = null, output_tokens = null } = stream;
  const sums = { cost_usd, input_tokens, output_tokens };
  return hasAny(sums) ? sums : undefined;
}

function basisOf(stated: FinalResult, counted: FinalResult, reported: BasisSums): JsonObject {
  const own = sumsOfMetrics(stated.metrics);
  const all = sumsOfMetrics(counted.metrics);
  const isStated = own.input_tokens !== null || own.output_tokens !== null;
  const source = sourceOf(own, isStated, reported);
  const said = {
    ...(hasAny(own) && { result: { ...own } }),
    ...(reported.telemetry && { telemetry: { ...reported.telemetry } }),
    ...(reported.spans && { spans: { ...reported.spans } }),
    ...(reported.stream && { stream: { ...reported.stream } }),
  };
  return {
    source,
    ...(source !== 'result' && own.cost_usd !== null && { cost_source: 'result' }),
    verdict: verdictOf(stated, { source, all, own, isStated }, reported),
    ...(Object.keys(said).length > 0 && { said }),
    ...(reported.earlier && { earlier_attempts: { ...reported.earlier } }),
  };
}

function sourceOf(own: AmountSums, isStated: boolean, { filledFrom, stream }: BasisSums): CostSource {
  if (isStated) return 'result';
  if (filledFrom !== undefined) return filledFrom;
  if (stream !== undefined) return 'stream';
  return own.cost_usd === null ? 'none' : 'result';
}

interface CountedSums {
  readonly source: CostSource;
  readonly all: AmountSums;
  readonly own: AmountSums;
  readonly isStated: boolean;
}

function verdictOf(stated: FinalResult, sums: CountedSums, reported: ReportedSums): string {
  const { source, all, own, isStated } = sums;
  const reason = incompleteReason(stated, source, reported);
  if (reason !== undefined) return `incomplete: ${reason}`;
  const differences: string[] = [];
  let compared = false;
  for (const name of ['result', 'telemetry', 'spans'] as const) {
    if (name === source) continue;
    const other = name === 'result' ? own : reported[name];
    if (other === undefined) continue;
    // Log records are of the agents; what the program called beside them is in spans only.
    const mine = name === 'telemetry' && isStated ? own : all;
    const found = differencesOf(mine, other);
    compared ||= found.isCompared;
    if (found.texts.length > 0) differences.push(`${found.texts.join(', ')} (${name})`);
  }
  if (differences.length > 0) return `differs by ${differences.join('; ')}`;
  return compared ? 'agrees' : 'unknown';
}

/** Positive: the other source says more. */
function differencesOf(mine: AmountSums, other: AmountSums): { texts: string[]; isCompared: boolean } {
  const texts: string[] = [];
  let isCompared = false;
  for (const [kind, unit] of KINDS) {
    const [counted, said] = [mine[kind], other[kind]];
    if (counted === null || said === null) continue;
    isCompared = true;
    const difference = said - counted;
    if (Math.abs(difference) <= (kind === 'cost_usd' ? USD_EPSILON : 0)) continue;
    const amount = kind === 'cost_usd' ? Number(difference.toFixed(6)) : difference;
    texts.push(`${amount > 0 ? '+' : ''}${amount} ${unit}`);
  }
  return { texts, isCompared };
}

function incompleteReason(
  { status, metrics }: FinalResult,
  source: CostSource,
  { isCut }: ReportedSums,
): string | undefined {
  const { incomplete } = objectOf(metrics.cost_basis);
  if (typeof incomplete === 'string' && incomplete !== '') return incomplete;
  if (typeof metrics.unknown_reason === 'string') return metrics.unknown_reason;
  if (status === 'abandoned') return 'its worker was lost before the end';
  return isCut && source === 'spans' ? 'spans of the task were dropped' : undefined;
}

function sumsOfMetrics({ cost_usd, input_tokens, output_tokens }: ResultMetrics): AmountSums {
  return { cost_usd, input_tokens, output_tokens };
}

function hasAny(sums: AmountSums): boolean {
  return KINDS.some(([kind]) => sums[kind] !== null);
}

/** Source and first word of the verdict, for lists and statistics. Null: a result without a basis. */
export function shortCostBasis(result: JsonObject | undefined): ShortCostBasis | null {
  const basis = isJsonObject(result?.metrics) ? objectOf(result.metrics.cost_basis) : {};
  const source = COST_SOURCES.find((name) => name === basis.source);
  const verdict = COST_VERDICTS.find((name) => String(basis.verdict).startsWith(name));
  return source === undefined || verdict === undefined ? null : { source, verdict };
}
