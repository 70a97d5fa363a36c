import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { api, ApiError } from "../api/client";
import type { Sensor, Value } from "../api/types";
import { gatewayNow } from "../lib/clock";
import { spanOf, type RangeName } from "../lib/range";
import { emptySeries, fold, fromAnswer, gapLimit, picture, stretches, trim, type Picture, type Series, type Stretch } from "../lib/series";
import { useConnection } from "../stores/connection";
import { useReadings, type Reading } from "../stores/readings";

export interface ChartView {
  from: number;
  to: number;
  widthMs: number;
  points: Series["points"];
  picture: Picture;
  stretches: Stretch[];
}

export interface SeriesState {
  view: ShallowRef<ChartView | null>;
  /** Nothing has been answered yet for this sensor. */
  first: Ref<boolean>;
  loading: Ref<boolean>;
  error: ShallowRef<ApiError | null>;
  /** Freezes the window, as long as a pointer is down on it. */
  hold: (held: boolean) => void;
  reload: () => void;
}

const LOOK_EVERY = 250;
const SHOW_LOADING_AFTER = 200;
const REFETCH_BUCKETS = 60;
const MOST_RAW = 2;

/** The history of one sensor up to now, with what the socket brings folded in. `width` is the plot's, in pixels. */
export function useSeries(sensor: () => Sensor | null, range: () => RangeName, width: () => number): SeriesState {
  const readings = useReadings();
  const connection = useConnection();
  const view = shallowRef<ChartView | null>(null);
  const first = ref(true);
  const loading = ref(false);
  const error = shallowRef<ApiError | null>(null);

  let series = emptySeries();
  let limit = Infinity;
  let sinceLoad: Reading[] = [];
  let loadedAt = 0;
  let askedPoints = 0;
  let dirty = false;
  let held = false;
  let request: AbortController | null = null;
  let untap: (() => void) | null = null;

  async function load(): Promise<void> {
    const current = sensor();
    if (current === null || width() < 1) return;
    request?.abort();
    const mine = new AbortController();
    request = mine;
    sinceLoad = [];
    const slow = setTimeout(() => (loading.value = true), SHOW_LOADING_AFTER);
    const to = Math.floor(gatewayNow());
    askedPoints = Math.max(100, Math.round(width()));
    try {
      const answer = await api.data(current.sensor_id, { from: to - spanOf(range()), to, points: askedPoints }, mine.signal);
      series = fromAnswer(answer);
      const newest = readings.get(current.sensor_id);
      if (series.kind === "raw" && newest && newest.ts > to - spanOf(range())) fold(series, newest);
      for (const reading of sinceLoad) if (series.kind === "raw" || reading.ts >= to) fold(series, reading);
      limit = gapLimit(series);
      loadedAt = to;
      error.value = null;
      first.value = false;
      draw();
    } catch (cause) {
      if (mine.signal.aborted) return;
      error.value = cause instanceof ApiError ? cause : new ApiError(0, {});
    } finally {
      clearTimeout(slow);
      if (request === mine) {
        request = null;
        loading.value = false;
      }
    }
  }

  function hear(reading: Reading): void {
    if (request !== null) sinceLoad.push(reading);
    if (first.value) return;
    fold(series, reading);
    dirty = true;
  }

  function draw(): void {
    const current = sensor();
    if (current === null || first.value) return;
    const to = gatewayNow();
    const from = to - spanOf(range());
    trim(series, from);
    if (series.points.length < 20) limit = gapLimit(series);
    const plain = current.type !== "number";
    view.value = {
      from,
      to,
      widthMs: series.widthMs,
      points: series.points,
      picture: picture(series, from, to, limit),
      stretches: plain ? stretches(series, from, to, current.type === "bool", heldBefore(current, from)) : [],
    };
    dirty = false;
  }

  function heldBefore(current: Sensor, from: number): Value {
    const newest = readings.get(current.sensor_id);
    return newest && newest.ts <= from && newest.quality !== "bad" ? newest.value : null;
  }

  function look(): void {
    if (document.hidden || held || first.value) return;
    const now = gatewayNow();
    const stale = series.kind === "buckets" && now - loadedAt > REFETCH_BUCKETS * series.widthMs;
    const crowded = series.kind === "raw" && series.points.length > MOST_RAW * askedPoints;
    if ((stale || crowded) && request === null) void load();
    const moved = now - (view.value?.to ?? 0) >= spanOf(range()) / Math.max(1, width());
    if (dirty || moved) draw();
  }

  watch(
    () => sensor()?.sensor_id,
    (sensorId) => {
      untap?.();
      untap = sensorId === undefined ? null : readings.tap(sensorId, hear);
      view.value = null;
      first.value = true;
      error.value = null;
      void load();
    },
    { immediate: true },
  );
  watch(range, () => void load());
  watch(width, (now) => {
    if (askedPoints === 0 || Math.abs(now - askedPoints) > askedPoints / 4) void load();
  });

  const timer = setInterval(look, LOOK_EVERY);
  const forget = connection.onResync(() => void load());
  onScopeDispose(() => {
    clearInterval(timer);
    forget();
    untap?.();
    request?.abort();
  });

  return {
    view,
    first,
    loading,
    error,
    hold: (down) => {
      held = down;
    },
    reload: () => void load(),
  };
}
