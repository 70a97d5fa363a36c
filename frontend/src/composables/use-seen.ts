import { computed, type ComputedRef } from "vue";
import type { Device, Sensor } from "../api/types";
import { toMillis } from "../lib/time";
import { useReading } from "./use-reading";

/** When a device was last heard: as the gateway last said, or later by a reading that came since. */
export function useSeen(device: () => Device | null, sensor: () => Sensor | null): ComputedRef<number | null> {
  const newest = useReading(() => sensor()?.sensor_id ?? null);
  return computed(() => {
    const told = device()?.last_seen;
    return Math.max(told == null ? 0 : toMillis(told), newest.value?.ts ?? 0) || null;
  });
}
