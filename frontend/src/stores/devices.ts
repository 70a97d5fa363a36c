import { defineStore } from "pinia";
import { computed, ref, shallowReactive, shallowRef } from "vue";
import { api, ApiError } from "../api/client";
import type { Device } from "../api/types";
import { useReadings } from "./readings";

const FIRST_PAGE = 100;
const NEXT_PAGE = 1_000;

/** Every device the principal may see, kept true by the socket and read again by REST after a loss. */
export const useDevices = defineStore("devices", () => {
  const readings = useReadings();
  const byId = shallowReactive(new Map<string, Device>());
  const loaded = ref(false);
  const complete = ref(false);
  const error = shallowRef<ApiError | null>(null);
  const list = computed(() => [...byId.values()]);
  let running: Promise<void> | null = null;

  function put(device: Device): void {
    const known = byId.get(device.device_id);
    const sensors = device.sensors ?? known?.sensors;
    byId.set(device.device_id, sensors ? { ...device, sensors } : device);
    for (const sensor of device.sensors ?? []) {
      if (sensor.latest) readings.fold(sensor.sensor_id, sensor.latest);
    }
  }

  function remove(deviceId: string): void {
    byId.delete(deviceId);
  }

  function load(): Promise<void> {
    running ??= loadPages().finally(() => {
      running = null;
    });
    return running;
  }

  async function loadPages(): Promise<void> {
    const seen = new Set<string>();
    try {
      let cursor: string | null = null;
      do {
        const page = await api.devices(cursor === null ? FIRST_PAGE : NEXT_PAGE, cursor);
        for (const device of page.items) {
          seen.add(device.device_id);
          put(device);
        }
        loaded.value = true;
        cursor = page.next;
      } while (cursor !== null);
      for (const deviceId of byId.keys()) if (!seen.has(deviceId)) byId.delete(deviceId);
      complete.value = true;
      error.value = null;
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause;
      error.value = cause;
    }
  }

  /** One device by its id, asked for by itself when the list has not come that far. Answers whether it exists. */
  async function ensure(deviceId: string): Promise<boolean> {
    if (byId.get(deviceId)?.sensors) return true;
    try {
      put(await api.device(deviceId));
      return true;
    } catch (cause) {
      if (cause instanceof ApiError && cause.status !== 404) throw cause;
      return false;
    }
  }

  function clear(): void {
    byId.clear();
    loaded.value = false;
    complete.value = false;
    error.value = null;
  }

  return { byId, list, loaded, complete, error, put, remove, load, ensure, clear };
});
