/** Of the lines of a window. */
interface Numbers {
  /** In the file, from 0. */
  readonly numbers: readonly number[];
  /** Behind the window, with what it leaves out at its end. */
  readonly behind: number;
}

/** `leftOut`: numbers that the window passes over, as `3,7-9`. */
export function numbersOf(first: number, count: number, leftOut: string | null): Numbers {
  const numbers: number[] = [];
  let next = first;
  for (const run of (leftOut ?? '').split(',')) {
    if (run === '') continue;
    const [from = 0, to = from] = run.split('-').map(Number);
    while (next < from && numbers.length < count) numbers.push(next++);
    if (next >= from) next = Math.max(next, to + 1);
  }
  while (numbers.length < count) numbers.push(next++);
  return { numbers, behind: next };
}
