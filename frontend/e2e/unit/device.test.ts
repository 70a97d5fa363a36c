import { expect, it } from "vitest";
import type { Device, Sensor } from "../../src/api/types";
import { mainSensors, sensorName } from "../../src/lib/device";

const sensor = (key: string, unit: string, type: Sensor["type"] = "number"): Sensor => ({ sensor_id: `host.${key}`, key, unit, type });
const host: Device = {
  device_id: "host",
  state: "online",
  sensors: [
    sensor("kernel", "", "text"), sensor("cpu_load", "%"), sensor("cpu_load_0", "%"), sensor("cpu_load_1", "%"), sensor("load_1", "1"), sensor("load_5", "1"),
    sensor("memory_used", "By"), sensor("memory_available", "By"), sensor("uptime", "s"),
  ],
};
const keys = (most: number): string[] => mainSensors(host, most).map(({ key }) => key);

it("a device is spoken for by numbers of different units, then by one of each family", () => {
  expect(keys(1)).toEqual(["cpu_load"]);
  expect(keys(2)).toEqual(["cpu_load", "load_1"]);
  expect(keys(5)).toEqual(["cpu_load", "load_1", "memory_used", "memory_available", "uptime"]);
  expect(keys(6)).toEqual(["cpu_load", "cpu_load_0", "load_1", "memory_used", "memory_available", "uptime"]);
  expect(keys(20)).toHaveLength(9);
});

it("a sensor without a name goes by its key", () => {
  expect(sensorName(sensor("memory_used", "By"))).toBe("Memory used");
});
