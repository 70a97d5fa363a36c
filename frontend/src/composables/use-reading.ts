import { computed, onScopeDispose, shallowRef, watch, type ComputedRef } from "vue";
import { useReadings, type Cell, type Reading } from "../stores/readings";

/** The latest reading of the sensor that is shown here, as long as it is shown. */
export function useReading(sensorId: () => string | null): ComputedRef<Reading | null> {
  const readings = useReadings();
  const cell = shallowRef<{ of: Cell } | null>(null);
  let held: string | null = null;
  const letGo = (): void => {
    if (held !== null) readings.release(held);
  };
  watch(
    sensorId,
    (next) => {
      letGo();
      held = next;
      cell.value = next === null ? null : { of: readings.acquire(next) };
    },
    { immediate: true },
  );
  onScopeDispose(letGo);
  return computed(() => cell.value?.of.value ?? null);
}
