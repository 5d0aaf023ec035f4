import type { ResultMetrics } from '../../model/documents.ts';
import { type Counted, plus, tokensOf } from './call-sums.ts';
import type { AmountSums } from './cost-basis.ts';
import type { LoggedCall } from './logged-call.ts';

/** The sums of calls: a cost only when all have one. Undefined without calls. */
export function sumsOf(calls: readonly Counted[]): AmountSums | undefined {
  if (calls.length === 0) return undefined;
  const {
    cost_usd = null,
    input_tokens = null,
    output_tokens = null,
  } = plus(
    {},
    calls.map(({ amounts }) => amounts),
  );
  return { cost_usd, input_tokens, output_tokens };
}

function tokensIn({ input_tokens: input, output_tokens: output }: AmountSums): number {
  return (input ?? 0) + (output ?? 0);
}

export interface CallsOfSource {
  readonly calls: readonly Counted[];
  readonly from: 'telemetry' | 'spans';
}

/**
 * The same calls as spans and as log records: the source with more tokens, since the other one was cut; of equal ones the one
 * that knows the cost.
 */
export function moreOf(spans: readonly Counted[], logged: readonly Counted[]): CallsOfSource {
  const [ofSpans, ofLogs] = [sumsOf(spans), sumsOf(logged)];
  const more =
    (ofLogs === undefined ? 0 : tokensIn(ofLogs)) - (ofSpans === undefined ? 0 : tokensIn(ofSpans));
  const isPriced = ofLogs?.cost_usd != null && ofSpans?.cost_usd == null;
  const isOfLogs = ofLogs !== undefined && (more > 0 || (more === 0 && isPriced) || ofSpans === undefined);
  return isOfLogs ? { calls: logged, from: 'telemetry' } : { calls: spans, from: 'spans' };
}

export function isWithoutTokens({ input_tokens: input, output_tokens: output }: ResultMetrics): boolean {
  return input === null && output === null;
}

/** A call that is in no span. */
export function asCounted(call: Pick<Counted, 'model' | 'amounts' | 'attempt'>): Counted {
  return { model: call.model, amounts: call.amounts, attempt: call.attempt, run: undefined, isPlaced: false };
}

/**
 * The calls of log records. Some agents write two events for each call, one of their own and one of the conventions: of each model
 * the kind with more tokens counts, of equal ones the agent's own.
 */
export function countedOnce(calls: readonly LoggedCall[]): readonly Counted[] {
  const tokens = new Map<string, number>();
  for (const call of calls) {
    const kind = kindOf(call);
    tokens.set(kind, (tokens.get(kind) ?? 0) + tokensOf(call.amounts));
  }
  const isLess = (call: LoggedCall): boolean => {
    const [own, other] = [kindOf(call), kindOf({ ...call, isConvention: !call.isConvention })];
    const difference = (tokens.get(own) ?? 0) - (tokens.get(other) ?? 0);
    return difference < 0 || (difference === 0 && call.isConvention === true);
  };
  return calls.filter((call) => !isLess(call)).map(asCounted);
}

function kindOf({ model, isConvention = false }: LoggedCall): string {
  return JSON.stringify([model, isConvention]);
}
