export const BUDGET_KINDS = ['usd', 'tokens', 'seconds'] as const;
export type BudgetKind = (typeof BUDGET_KINDS)[number];

/** What a task may use. Without a kind it is not limited. */
export interface Budget {
  /** US dollars. */
  readonly usd?: number;
  /** Input, cached input included, and output together. */
  readonly tokens?: number;
  /** Of running agents. */
  readonly seconds?: number;
}

/** What has been used, at least. */
export type Spent = Readonly<Record<BudgetKind, number>>;

export const NOTHING_SPENT: Spent = { usd: 0, tokens: 0, seconds: 0 };

/** The share of a budget at which a notice is recorded. */
const NOTICE_SHARE = 0.8;

export function isNearlyUsed(used: number, limit: number): boolean {
  return used >= NOTICE_SHARE * limit;
}

/** Whole percent. 0.09 of 0.1 are 90: the digits that binary floating point has lost are rounded. */
export function shareOf(used: number, limit: number): number {
  return Math.floor(Number(((used / limit) * 100).toFixed(6)));
}

/** Of each kind the smallest limit: a request cannot raise that of its agent or command. */
export function smallestBudget(...budgets: readonly (Budget | undefined)[]): Budget | undefined {
  const limits = BUDGET_KINDS.flatMap((kind) => {
    const given = budgets.flatMap((budget) => budget?.[kind] ?? []);
    return given.length === 0 ? [] : [[kind, Math.min(...given)] as const];
  });
  return limits.length === 0 ? undefined : Object.fromEntries(limits);
}

/** The first kind of which all is used. */
export function exceededKind(budget: Budget, spent: Spent): BudgetKind | undefined {
  return BUDGET_KINDS.find((kind) => spent[kind] >= (budget[kind] ?? Number.POSITIVE_INFINITY));
}

const UNITS: Readonly<Record<BudgetKind, string>> = { usd: 'USD', tokens: 'tokens', seconds: 'seconds' };

/** `1.25 of 1 USD`. */
export function spentText(kind: BudgetKind, used: number, limit: number): string {
  const shown = kind === 'seconds' ? Number(used.toFixed(1)) : roundedUse(used);
  return `${shown} of ${limit} ${UNITS[kind]}`;
}

/** Six digits behind the point: a token costs more. */
export function roundedUse(used: number): number {
  return Number(used.toFixed(6));
}

export function addedSpent(a: Spent | undefined, b: Spent | undefined): Spent | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { usd: a.usd + b.usd, tokens: a.tokens + b.tokens, seconds: a.seconds + b.seconds };
}
