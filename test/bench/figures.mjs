/** The quantile `share`, from 0 to 1. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(values) {
  return quantile(values, 0.5);
}

/**
 * The median of the ratios per round. Each round measures both values in succession, so a busy machine slows both.
 */
export function medianRatio(values, baselines) {
  return median(values.map((value, index) => value / baselines[index]));
}

export function times(ratio) {
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(2)}x`;
}
