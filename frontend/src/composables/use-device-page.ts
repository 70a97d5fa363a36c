import { computed, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from "vue";
import { useRoute, type RouteLocationRaw } from "vue-router";
import type { Device, Sensor } from "../api/types";
import { mainSensors } from "../lib/device";
import { asRange, DEFAULT_RANGE, type RangeName } from "../lib/range";
import { remember, remembered } from "../lib/storage";
import { useDevices } from "../stores/devices";

export interface DevicePage {
  device: ComputedRef<Device | null>;
  sensor: ComputedRef<Sensor | null>;
  range: ComputedRef<RangeName>;
  /** What stood in the address as a range and is none. */
  strangeRange: ComputedRef<string>;
  missing: Ref<boolean>;
  failure: ShallowRef<unknown>;
  look: () => void;
  at: (change: { s?: string; from?: RangeName }) => RouteLocationRaw;
}

/** What the address says about one device: which device, which sensor is on the chart, over which range. */
export function useDevicePage(deviceId: () => string): DevicePage {
  const devices = useDevices();
  const route = useRoute();
  const missing = ref(false);
  const failure = shallowRef<unknown>(null);

  const device = computed(() => devices.byId.get(deviceId()) ?? null);
  const sensors = computed(() => device.value?.sensors ?? []);
  const sensor = computed(
    () =>
      sensors.value.find((known) => known.key === route.query["s"]) ??
      (device.value ? (mainSensors(device.value, 1)[0] ?? null) : null),
  );
  const asked = computed(() => (typeof route.query["from"] === "string" ? route.query["from"] : ""));
  const range = computed(() => asRange(asked.value) ?? asRange(remembered("range")) ?? DEFAULT_RANGE);
  const strangeRange = computed(() => (asRange(asked.value) === null ? asked.value : ""));

  function look(): void {
    failure.value = null;
    const asking = deviceId();
    devices.ensure(asking).then(
      (there) => {
        if (asking === deviceId()) missing.value = !there;
      },
      (error: unknown) => {
        if (asking === deviceId()) failure.value = error;
      },
    );
  }

  watch(deviceId, look, { immediate: true });
  watch(device, (now, before) => {
    if (now === null && before !== null) missing.value = true;
    if (now !== null) missing.value = false;
  });
  watch(asked, (text) => {
    if (asRange(text) !== null) remember("range", text);
  });

  return {
    device, sensor, range, strangeRange, missing, failure, look,
    at: (change) => ({ name: "device", params: { device_id: deviceId() }, query: { ...route.query, ...change } }),
  };
}
