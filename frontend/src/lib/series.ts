import type { DataAnswer, Value } from "../api/types";
import type { Reading } from "../stores/readings";

/** What a chart holds of one sensor: single readings, or buckets with their extremes. Times are ascending. */
export interface Series {
  kind: "raw" | "buckets";
  widthMs: number;
  points: Point[];
}

export interface Point {
  t: number;
  /** The number drawn: a reading, or a bucket's average. `null` is a bad reading, and breaks the line. */
  v: number | null;
  min: number;
  max: number;
  count: number;
  text: string | null;
  quality: "good" | "suspect" | "bad";
}

export function emptySeries(): Series {
  return { kind: "raw", widthMs: 0, points: [] };
}

export function fromAnswer(answer: DataAnswer): Series {
  if (answer.kind === "raw") {
    const points = answer.t.map((t, i) => point(t, answer.v[i] ?? null, answer.quality?.[i] ?? "good"));
    return { kind: "raw", widthMs: 0, points };
  }
  const points = answer.t.map((t, i): Point => {
    const v = answer.avg?.[i] ?? null;
    const last = answer.last?.[i] ?? null;
    return {
      t,
      v,
      min: answer.min?.[i] ?? v ?? Number.NaN,
      max: answer.max?.[i] ?? v ?? Number.NaN,
      count: answer.count?.[i] ?? 0,
      text: last,
      quality: v === null && last === null ? "bad" : "good",
    };
  });
  return { kind: "buckets", widthMs: answer.width_ms, points };
}

function point(t: number, value: Value, quality: Point["quality"]): Point {
  const v = numeric(value);
  const text = typeof value === "string" ? value : null;
  return { t, v, min: v ?? Number.NaN, max: v ?? Number.NaN, count: v === null ? 0 : 1, text, quality };
}

function numeric(value: Value): number | null {
  if (typeof value === "number") return value;
  return typeof value === "boolean" ? Number(value) : null;
}

/**
 * Folds a live reading in by the server's own rule, so that the folded picture equals a fresh load:
 * raw readings are put in order and one of the same instant is replaced; buckets take sum, count, min and max.
 */
export function fold(series: Series, reading: Reading): void {
  if (series.kind === "raw") insert(series.points, point(reading.ts, reading.value, reading.quality));
  else foldBucket(series, reading);
}

function insert(points: Point[], next: Point): void {
  let at = points.length;
  while (at > 0 && (points[at - 1]?.t ?? 0) > next.t) at -= 1;
  if (points[at - 1]?.t === next.t) points[at - 1] = next;
  else points.splice(at, 0, next);
}

function foldBucket(series: Series, reading: Reading): void {
  const value = numeric(reading.value);
  const text = typeof reading.value === "string" ? reading.value : null;
  if (value === null && text === null) return;
  const start = Math.floor(reading.ts / series.widthMs) * series.widthMs;
  const index = series.points.findLastIndex((known) => Math.floor(known.t / series.widthMs) * series.widthMs <= start);
  const known = series.points[index];
  const same = known !== undefined && Math.floor(known.t / series.widthMs) * series.widthMs === start;
  const bucket: Point = same
    ? known
    : { t: start, v: null, min: Number.NaN, max: Number.NaN, count: 0, text: null, quality: "good" };
  if (!same) series.points.splice(index + 1, 0, bucket);
  if (text !== null) {
    bucket.text = text;
    bucket.count += 1;
    bucket.quality = "good";
    return;
  }
  if (value === null) return;
  bucket.v = bucket.v === null ? value : (bucket.v * bucket.count + value) / (bucket.count + 1);
  bucket.count += 1;
  bucket.min = Number.isNaN(bucket.min) ? value : Math.min(bucket.min, value);
  bucket.max = Number.isNaN(bucket.max) ? value : Math.max(bucket.max, value);
  bucket.quality = "good";
}

/** Drops what has left the window, but for one point that a line enters by. */
export function trim(series: Series, from: number): void {
  const first = series.points.findIndex((point) => point.t + series.widthMs >= from);
  if (first > 1) series.points.splice(0, first - 1);
}

const LEARN_FROM = 200;

/** The usual spacing of a sensor's readings: the median of its newest ones. */
export function usualInterval(points: readonly Point[]): number {
  const newest = points.slice(-LEARN_FROM);
  const spacings = newest.slice(1).map((point, i) => point.t - (newest[i]?.t ?? point.t));
  spacings.sort((a, b) => a - b);
  return spacings[Math.floor(spacings.length / 2)] ?? 0;
}

/** A hole longer than this is a gap. */
export function gapLimit(series: Series): number {
  return series.widthMs + Math.max(3_000, 3 * usualInterval(series.points));
}

export interface Picture {
  /** `t, v, t, v …`; NaN where the line breaks. */
  line: Float64Array;
  /** One polygon for each unbroken run of buckets: `t, min, max, …`. */
  bands: Float64Array[];
  bad: number[];
  suspect: [number, number][];
  lowest: number;
  lowestAt: number;
  highest: number;
  highestAt: number;
  average: number;
  gaps: number;
}

/** What is drawn of a number sensor between two instants. A bucket stands at its middle, the unfinished one at now. */
export function picture(series: Series, from: number, to: number, limit: number): Picture {
  const line: number[] = [];
  const bands: Float64Array[] = [];
  const bad: number[] = [];
  const suspect: [number, number][] = [];
  let run: number[] = [];
  let previous: number | null = null;
  const sum = { lowest: Infinity, lowestAt: 0, highest: -Infinity, highestAt: 0, total: 0, count: 0 };
  let gaps = 0;
  const half = series.widthMs / 2;
  const finish = (): void => {
    if (series.kind === "buckets" && run.length > 3) bands.push(Float64Array.from(run));
    run = [];
  };
  for (const point of series.points) {
    const t = Math.min(point.t + half, Math.max(to, point.t));
    if (previous !== null && t - previous > limit) {
      line.push(previous + 1, Number.NaN);
      finish();
      gaps += t >= from ? 1 : 0;
    }
    if (point.v === null || point.quality === "bad") {
      line.push(t, Number.NaN);
      finish();
      if (point.quality === "bad" && t >= from) bad.push(t);
    } else {
      line.push(t, point.v);
      run.push(t, point.min, point.max);
      if (point.quality === "suspect") suspect.push([t, point.v]);
      if (t >= from) {
        measure(sum, point, t);
      }
    }
    previous = t;
  }
  finish();
  const { total, count, ...extremes } = sum;
  return { line: Float64Array.from(line), bands, bad, suspect, ...extremes, average: total / count, gaps };
}

interface Sum {
  lowest: number;
  lowestAt: number;
  highest: number;
  highestAt: number;
  total: number;
  count: number;
}

function measure(sum: Sum, point: Point, t: number): void {
  if (point.min < sum.lowest) {
    sum.lowest = point.min;
    sum.lowestAt = t;
  }
  if (point.max > sum.highest) {
    sum.highest = point.max;
    sum.highestAt = t;
  }
  sum.total += (point.v ?? 0) * point.count;
  sum.count += point.count;
}

/** Both values of a boolean within one bucket. */
export const MIXED = Symbol("mixed");

export interface Stretch {
  from: number;
  to: number;
  /** A word, or a boolean; `MIXED` where a bucket holds both; `null` where it is bad or not known. */
  value: boolean | string | typeof MIXED | null;
}

/** Booleans and texts as stretches: a value holds until the next reading. */
export function stretches(series: Series, from: number, to: number, bool: boolean, before: Value): Stretch[] {
  const result: Stretch[] = [];
  let value: Stretch["value"] = bool && before !== null ? before === true || before === 1 : (before as string | null);
  let start = from;
  const push = (until: number): void => {
    if (until <= start) return;
    const last = result.at(-1);
    if (last?.value === value) last.to = until;
    else result.push({ from: start, to: until, value });
    start = until;
  };
  for (const point of series.points) {
    if (point.t > to) break;
    push(Math.min(point.t, to));
    value = pointValue(point, bool);
  }
  push(to);
  return result;
}

function pointValue(point: Point, bool: boolean): Stretch["value"] {
  if (point.quality === "bad") return null;
  if (!bool) return point.text;
  if (point.v === null) return null;
  if (point.v > 0 && point.v < 1) return MIXED;
  return point.v === 1;
}
