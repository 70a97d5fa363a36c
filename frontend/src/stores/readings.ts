import { defineStore } from "pinia";
import { shallowRef, type ShallowRef } from "vue";
import type { Latest, Quality, Value, WireReading } from "../api/types";
import { toMillis } from "../lib/time";

export interface Reading {
  ts: number;
  value: Value;
  quality: Quality;
  reason: string;
  /** The gateway could not vouch for the time. */
  uncertain: boolean;
}

export type Cell = ShallowRef<Reading | null>;
type Tap = (reading: Reading) => void;

const FLUSH_EVERY = 100;

/**
 * The latest reading of each sensor. It lives outside reactivity: a message costs one map write a reading,
 * and only the cells that are on screen are told, at most ten times a second and never while hidden.
 */
export const useReadings = defineStore("readings", () => {
  const latest = new Map<string, Reading>();
  const cells = new Map<string, { cell: Cell; users: number }>();
  const taps = new Map<string, Set<Tap>>();
  const dirty = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** `streamed`: one reading of the stream, that counts even when it comes late; else just what is latest. */
  function fold(sensorId: string, wire: Latest, streamed = false): void {
    const reading = fromWire(wire);
    if (Number.isNaN(reading.ts)) return;
    const known = latest.get(sensorId);
    if (known?.ts === reading.ts) return;
    const late = known !== undefined && known.ts > reading.ts;
    if (streamed || !late) {
      taps.get(sensorId)?.forEach((tap) => {
        tap(reading);
      });
    }
    if (late) return;
    latest.set(sensorId, reading);
    if (cells.has(sensorId)) {
      dirty.add(sensorId);
      timer ??= setTimeout(flush, FLUSH_EVERY);
    }
  }

  function foldAll(readings: readonly WireReading[], streamed: boolean): void {
    for (const reading of readings) fold(`${reading.device_id}.${reading.key}`, reading, streamed);
  }

  function flush(): void {
    timer = undefined;
    if (document.hidden) return;
    for (const sensorId of dirty) {
      const entry = cells.get(sensorId);
      if (entry) entry.cell.value = latest.get(sensorId) ?? null;
    }
    dirty.clear();
  }

  /** A cell that follows one sensor for as long as somebody shows it. */
  function acquire(sensorId: string): Cell {
    const entry = cells.get(sensorId) ?? { cell: shallowRef(latest.get(sensorId) ?? null), users: 0 };
    entry.users += 1;
    cells.set(sensorId, entry);
    return entry.cell;
  }

  function release(sensorId: string): void {
    const entry = cells.get(sensorId);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users === 0) cells.delete(sensorId);
  }

  /** Every reading as it comes, for a chart. */
  function tap(sensorId: string, listener: Tap): () => void {
    const listeners = taps.get(sensorId) ?? new Set<Tap>();
    listeners.add(listener);
    taps.set(sensorId, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) taps.delete(sensorId);
    };
  }

  function clear(): void {
    latest.clear();
    dirty.clear();
    for (const { cell } of cells.values()) cell.value = null;
  }

  function get(sensorId: string): Reading | undefined {
    return latest.get(sensorId);
  }

  return { fold, foldAll, flush, acquire, release, tap, clear, get };
});

function fromWire(wire: Latest): Reading {
  return {
    ts: toMillis(wire.ts),
    value: wire.value,
    quality: wire.quality ?? "good",
    reason: wire.reason ?? "",
    uncertain: wire.time === "unsynced" || wire.time === "suspect",
  };
}
