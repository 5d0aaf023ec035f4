/** A count of rounds, kills or cases: `all` by hand, `inCi` with `CI` set, which has less time and runs often. */
export function lessInCi(all: number, inCi: number): number {
  return process.env.CI === undefined ? all : inCi;
}
