import { describe, expect, it } from "vitest";
import type { DataAnswer } from "../../src/api/types";
import { fold, fromAnswer, gapLimit, MIXED, picture, stretches, trim } from "../../src/lib/series";
import type { Reading } from "../../src/stores/readings";

const reading = (ts: number, value: Reading["value"], quality: Reading["quality"] = "good"): Reading => ({ ts, value, quality, reason: "", uncertain: false });

/** The server's rule, written out once more: buckets aligned to the epoch, empty ones left out. */
function served(readings: [number, number][], width: number): DataAnswer {
  const buckets = new Map<number, number[]>();
  for (const [ts, value] of readings) {
    const start = Math.floor(ts / width) * width;
    buckets.set(start, [...(buckets.get(start) ?? []), value]);
  }
  const t = [...buckets.keys()].sort((a, b) => a - b);
  const of = (f: (values: number[]) => number): number[] => t.map((start) => f(buckets.get(start) ?? []));
  return {
    sensor_id: "a.t", kind: "buckets", width_ms: width, t,
    avg: of((v) => v.reduce((a, b) => a + b, 0) / v.length), min: of((v) => Math.min(...v)), max: of((v) => Math.max(...v)), count: of((v) => v.length),
  };
}

const stream = Array.from({ length: 600 }, (_, i): [number, number] => [i * 1_000, Math.sin(i / 20) * 10 + (i % 7)]);

describe("history and live readings in one series", () => {
  it("folded buckets equal a fresh load", () => {
    const live = fromAnswer(served(stream.slice(0, 333), 10_000));
    for (const [ts, value] of stream.slice(333)) fold(live, reading(ts, value));
    const fresh = fromAnswer(served(stream, 10_000));
    expect(live.points.map((p) => [p.t, p.count, p.min, p.max])).toEqual(fresh.points.map((p) => [p.t, p.count, p.min, p.max]));
    live.points.forEach((point, i) => {
      expect(point.v).toBeCloseTo(fresh.points[i]?.v ?? Number.NaN, 9);
    });
  });

  it("raw readings stay in order, and one that came by both ways counts once", () => {
    const series = fromAnswer({ sensor_id: "a.t", kind: "raw", t: [1_000, 2_000, 4_000], v: [1, 2, 4] });
    for (const [ts, value] of [[4_000, 4], [5_000, 5], [3_000, 3]] as const) fold(series, reading(ts, value));
    expect(series.points.map((p) => [p.t, p.v])).toEqual([[1_000, 1], [2_000, 2], [3_000, 3], [4_000, 4], [5_000, 5]]);
  });

  it("a late reading goes into its own bucket", () => {
    const series = fromAnswer(served([[1_000, 1], [21_000, 3]], 10_000));
    fold(series, reading(11_000, 2));
    fold(series, reading(2_000, 5));
    expect(series.points.map((p) => [p.t, p.v, p.count])).toEqual([[0, 3, 2], [10_000, 2, 1], [20_000, 3, 1]]);
  });

  it("drops what has left the window, but for the point a line enters by", () => {
    const series = fromAnswer({ sensor_id: "a.t", kind: "raw", t: [1, 2, 3, 4, 5].map((n) => n * 1_000), v: [1, 2, 3, 4, 5] });
    trim(series, 3_500);
    expect(series.points.map((p) => p.t)).toEqual([3_000, 4_000, 5_000]);
  });
});

describe("what is drawn", () => {
  it("breaks the line and the band at a gap", () => {
    const answer = served([...stream.slice(0, 200), ...stream.slice(400)], 5_000);
    const series = fromAnswer(answer);
    const drawn = picture(series, 0, 600_000, gapLimit(series));
    expect(drawn.gaps).toBe(1);
    expect(drawn.bands).toHaveLength(2);
    expect([...drawn.line].filter(Number.isNaN)).toHaveLength(1);
  });

  it("breaks the line at a bad reading, and marks it", () => {
    const series = fromAnswer({ sensor_id: "a.t", kind: "raw", t: [1_000, 2_000, 3_000], v: [1, null, 3], quality: ["good", "bad", "suspect"] });
    const drawn = picture(series, 0, 3_000, gapLimit(series));
    expect([...drawn.line]).toEqual([1_000, 1, 2_000, Number.NaN, 3_000, 3]);
    expect(drawn.bad).toEqual([2_000]);
    expect(drawn.suspect).toEqual([[3_000, 3]]);
  });

  it("sees no gap where a sensor is just slow", () => {
    const series = fromAnswer({ sensor_id: "a.t", kind: "raw", t: [0, 60_000, 120_000, 185_000], v: [1, 2, 3, 4] });
    expect(picture(series, 0, 200_000, gapLimit(series)).gaps).toBe(0);
  });

  it("weighs the average by readings", () => {
    const series = fromAnswer(served([[0, 10], [1_000, 10], [2_000, 10], [10_000, 2]], 10_000));
    expect(picture(series, 0, 20_000, 1e9).average).toBe(8);
  });

  it("holds a boolean until the next reading, and from before the window", () => {
    const series = fromAnswer({ sensor_id: "a.d", kind: "raw", t: [3_000, 5_000], v: [false, true] });
    expect(stretches(series, 1_000, 9_000, true, true)).toEqual([
      { from: 1_000, to: 3_000, value: true },
      { from: 3_000, to: 5_000, value: false },
      { from: 5_000, to: 9_000, value: true },
    ]);
  });

  it("says when a bucket holds both", () => {
    const series = fromAnswer({ sensor_id: "a.d", kind: "buckets", width_ms: 1_000, t: [0, 1_000], avg: [0.5, 1], min: [0, 1], max: [1, 1], count: [2, 2] });
    expect(stretches(series, 0, 2_000, true, null).map((stretch) => stretch.value)).toEqual([MIXED, true]);
  });
});
