import { computed, type ComputedRef } from "vue";
import { useRoute, useRouter, type LocationQuery } from "vue-router";
import type { Device, DeviceState } from "../api/types";
import type { Language } from "../i18n";
import { deviceName } from "../lib/device";
import { remember, remembered } from "../lib/storage";
import { useDevices } from "../stores/devices";

export const STATES: readonly DeviceState[] = ["fault", "offline", "stale", "starting", "online"];
export const SORTS = ["name", "kind", "area"] as const;
export type SortKey = (typeof SORTS)[number];

export interface Sort {
  key: SortKey;
  down: boolean;
}

export interface DeviceList {
  shown: ComputedRef<Device[]>;
  kinds: ComputedRef<string[]>;
  areas: ComputedRef<boolean>;
  search: ComputedRef<string>;
  state: ComputedRef<string>;
  kind: ComputedRef<string>;
  sort: ComputedRef<Sort>;
  filtered: ComputedRef<boolean>;
  setSearch: (text: string) => void;
  setFilter: (name: "state" | "kind", value: string) => void;
  sortBy: (key: SortKey) => void;
  clear: () => void;
}

/** Search, filters and order of the list of devices, all of them in the address. */
export function useDeviceList(language: () => Language): DeviceList {
  const devices = useDevices();
  const route = useRoute();
  const router = useRouter();

  const search = computed(() => one(route.query, "q"));
  const state = computed(() => STATES.find((known) => known === one(route.query, "state")) ?? "");
  const kind = computed(() => one(route.query, "kind"));
  const sort = computed((): Sort => asSort(one(route.query, "sort")) ?? asSort(remembered("sort") ?? "") ?? { key: "name", down: false });
  const filtered = computed(() => search.value !== "" || state.value !== "" || kind.value !== "");
  const kinds = computed(() => [...new Set(devices.list.flatMap((device) => device.kind ?? []))].sort());
  const areas = computed(() => devices.list.some((device) => device.area));

  const collator = computed(() => new Intl.Collator(language(), { numeric: true, sensitivity: "base" }));
  let ranks = new Map<string, number>();
  const rank = (device: Device): number => ranks.get(device.device_id) ?? Infinity;
  const shown = computed(() => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    const fitting = devices.list.filter(
      (device) =>
        (state.value === "" || device.state === state.value) &&
        (kind.value === "" || device.kind === kind.value) &&
        words.every((word) => searchText(device).includes(word)),
    );
    const { compare } = collator.value;
    const sign = sort.value.down ? -1 : 1;
    const field = fields[sort.value.key];
    // The last order first: sorting what is nearly sorted already costs one comparison a row.
    if (ranks.size > 0) fitting.sort((a, b) => rank(a) - rank(b) || 0);
    fitting.sort(
      (a, b) =>
        sign * compare(field(a), field(b)) ||
        compare(deviceName(a), deviceName(b)) ||
        (a.device_id < b.device_id ? -1 : 1),
    );
    ranks = new Map(fitting.map((device, i) => [device.device_id, i]));
    return fitting;
  });

  function query(changes: Record<string, string>): LocationQuery {
    const next: LocationQuery = { ...route.query };
    for (const [name, value] of Object.entries(changes)) {
      if (value === "") Reflect.deleteProperty(next, name);
      else next[name] = value;
    }
    return next;
  }

  return {
    shown, kinds, areas, search, state, kind, sort, filtered,
    setSearch: (text) => void router.replace({ query: query({ q: text }) }),
    setFilter: (name, value) => void router.push({ query: query({ [name]: value }) }),
    sortBy: (key) => {
      const down = sort.value.key === key && !sort.value.down;
      const text = (down ? "-" : "") + key;
      remember("sort", text === "name" ? null : text);
      void router.push({ query: query({ sort: text }) });
    },
    clear: () => void router.push({ query: query({ q: "", state: "", kind: "" }) }),
  };
}

const fields: Record<SortKey, (device: Device) => string> = {
  name: deviceName,
  kind: (device) => device.kind ?? "",
  area: (device) => device.area ?? "",
};

function one(query: LocationQuery, name: string): string {
  const value = query[name];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

function asSort(text: string): Sort | null {
  const key = SORTS.find((known) => known === text.replace(/^-/, ""));
  return key === undefined ? null : { key, down: text.startsWith("-") };
}

const texts = new WeakMap<Device, string>();

function searchText(device: Device): string {
  let text = texts.get(device);
  if (text === undefined) {
    text = fold([device.name ?? "", device.device_id, device.area ?? "", ...(device.labels ?? [])].join("\n"));
    texts.set(device, text);
  }
  return text;
}

function fold(text: string): string {
  return text.toLowerCase().replaceAll("ё", "е");
}
