import type { Device, Sensor } from "../api/types";

export function deviceName(device: Device): string {
  return device.name || device.device_id;
}

export function sensorName(sensor: Sensor): string {
  if (sensor.name) return sensor.name;
  const words = sensor.key.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * The sensors that speak for a device in a list: numbers of different units first, then one of each family
 * (`cpu_load_0`, `cpu_load_1` …), then any, texts last; shown in the device's own order.
 */
export function mainSensors(device: Device, most: number): Sensor[] {
  const sensors = device.sensors ?? [];
  const chosen = new Set<Sensor>();
  const units = new Set<string>();
  const families = new Set<string>();
  const take = (fits: (sensor: Sensor) => boolean): void => {
    for (const sensor of sensors) {
      if (chosen.size === most) return;
      if (chosen.has(sensor) || !fits(sensor)) continue;
      chosen.add(sensor);
      units.add(sensor.unit ?? "");
      families.add(family(sensor));
    }
  };
  take((sensor) => sensor.type === "number" && !units.has(sensor.unit ?? ""));
  take((sensor) => sensor.type !== "text" && !families.has(family(sensor)));
  take((sensor) => sensor.type !== "text");
  take(() => true);
  return sensors.filter((sensor) => chosen.has(sensor));
}

function family(sensor: Sensor): string {
  return sensor.key.replace(/_\d+$/, "");
}
