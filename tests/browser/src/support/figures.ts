/** Figures that a run prints; nothing depends on them. */

/** A line with the median and the 95th percentile (nearest rank). */
export function spread(what: string, values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (part: number) => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
  const [median, p95] = [rank(0.5), rank(0.95)].map((value) => `${Math.round(value ?? NaN)} ms`);
  return `${what}: median ${median}, p95 ${p95}, of ${sorted.length}`;
}

/** The least and the most of them. */
export function range(what: string, values: readonly number[], digits = 0): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((v) => v.toFixed(digits));
  return `${what}: ${least} to ${most}`;
}
