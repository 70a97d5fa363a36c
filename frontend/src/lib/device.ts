import type { Device, Sensor } from "../api/types";

export function deviceName(device: Device): string {
  return device.name || device.device_id;
}

export function sensorName(sensor: Sensor): string {
  if (sensor.name) return sensor.name;
  const words = sensor.key.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The sensors that speak for a device in a list: numbers of different units first, in the device's own order. */
export function mainSensors(device: Device, most: number): Sensor[] {
  const sensors = device.sensors ?? [];
  const chosen = new Set<Sensor>();
  const units = new Set<string>();
  for (const sensor of sensors) {
    const unit = sensor.unit ?? "";
    if (chosen.size === most) break;
    if (sensor.type !== "number" || units.has(unit)) continue;
    units.add(unit);
    chosen.add(sensor);
  }
  for (const sensor of sensors) {
    if (chosen.size === most) break;
    chosen.add(sensor);
  }
  return sensors.filter((sensor) => chosen.has(sensor));
}
