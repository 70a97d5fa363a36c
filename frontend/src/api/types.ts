/** The shapes of INTERFACES.md that this page reads. */
export type DeviceState = "online" | "offline" | "stale" | "fault" | "starting";
export type Value = number | boolean | string | null;
export type Quality = "good" | "suspect" | "bad";
export type Instant = number | string;

export interface Latest {
  ts: Instant;
  value: Value;
  quality?: Quality;
  reason?: string | null;
  time?: string;
}

export interface Sensor {
  sensor_id: string;
  key: string;
  name?: string | null;
  type: "number" | "bool" | "text";
  unit?: string | null;
  display_unit?: string | null;
  precision?: number | null;
  class?: string | null;
  latest?: Latest | null;
}

export interface Device {
  device_id: string;
  name?: string | null;
  kind?: string | null;
  home?: string | null;
  state: DeviceState;
  reason?: string | null;
  manufacturer?: string | null;
  model?: string | null;
  area?: string | null;
  labels?: string[];
  attributes?: Record<string, unknown>;
  first_seen?: Instant | null;
  last_seen?: Instant | null;
  sensors?: Sensor[];
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface SessionAnswer {
  principal: { name: string; role: string };
  gateway: { id: string; name: string; time_zone: string; language: string };
  build: string;
}

export interface WireReading extends Latest {
  device_id: string;
  key: string;
}

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
}

export interface BucketsAnswer {
  sensor_id: string;
  unit?: string | null;
  kind: "buckets";
  width_ms: number;
  t: number[];
  avg?: (number | null)[];
  min?: (number | null)[];
  max?: (number | null)[];
  count?: number[];
  last?: (string | null)[];
}

export interface RawAnswer {
  sensor_id: string;
  unit?: string | null;
  kind: "raw";
  t: number[];
  v: Value[];
  quality?: (Quality | null)[];
}

export type DataAnswer = BucketsAnswer | RawAnswer;

export type ServerMessage =
  | { type: "snapshot"; id: number; at?: string; devices?: Device[]; readings?: WireReading[] }
  | { type: "resumed"; id: number; at?: string }
  | { type: "readings"; at?: string; readings: WireReading[] }
  | { type: "device"; device: Device }
  | { type: "gone"; device_id: string }
  | { type: "lagged"; missed: number }
  | { type: "pong" }
  | { type: "error"; id?: number; problem: Problem };
