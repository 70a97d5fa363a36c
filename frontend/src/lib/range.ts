/** The ranges a person can choose, as they stand in the address: `from=-15m`. */
export const RANGES = ["-5m", "-15m", "-1h", "-6h", "-24h"] as const;
export type RangeName = (typeof RANGES)[number];
export const DEFAULT_RANGE: RangeName = "-15m";

const SPANS: Record<RangeName, number> = {
  "-5m": 5 * 60_000,
  "-15m": 15 * 60_000,
  "-1h": 3_600_000,
  "-6h": 6 * 3_600_000,
  "-24h": 24 * 3_600_000,
};

export function spanOf(range: RangeName): number {
  return SPANS[range];
}

export function asRange(text: unknown): RangeName | null {
  return RANGES.find((range) => range === text) ?? null;
}
