import type { Sensor, Value } from "../api/types";
import type { Language } from "../i18n";
import { isScaled, scaleFor, unitGap, unitText } from "./units";

const formatters = new Map<string, Intl.NumberFormat>();

export function formatNumber(value: number, language: Language, digits: number, fixed = true): string {
  const key = `${language} ${String(digits)} ${String(fixed)}`;
  let formatter = formatters.get(key);
  if (formatter === undefined) {
    formatter = new Intl.NumberFormat(language, {
      signDisplay: "negative",
      maximumFractionDigits: digits,
      minimumFractionDigits: fixed ? digits : 0,
    });
    formatters.set(key, formatter);
  }
  return formatter.format(value);
}

export interface Shown {
  number: string;
  gap: string;
  unit: string;
}

type NumberSensor = Pick<Sensor, "unit" | "display_unit" | "precision">;

/** A number as it is read: the sensor's precision, else at most four significant digits, steady while the size is. */
export function showNumber(sensor: NumberSensor, value: number, language: Language): Shown {
  const code = sensor.unit ?? "";
  const chosen = sensor.display_unit ?? "";
  const byHand = chosen !== "" && chosen !== code && chosen !== unitText(code, "en");
  if (byHand) return shown(formatNumber(value, language, sensor.precision ?? digitsFor(value)), chosen, language);
  const scale = scaleFor(code, value, language);
  return shown(formatNumber(value / scale.factor, language, shownDigits(sensor, value, language)), scale.unit, language);
}

/** The decimals a value of this size is shown with, in the unit it is shown in. */
export function shownDigits(sensor: NumberSensor, value: number, language: Language): number {
  const code = sensor.unit ?? "";
  const { factor } = scaleFor(code, value, language);
  if (!isScaled(code)) return sensor.precision ?? digitsFor(value);
  if (factor === 1) return sensor.precision ?? (Number.isInteger(value) ? 0 : 1);
  return scaledDigits(value / factor);
}

function shown(number: string, unit: string, language: Language): Shown {
  return { number, gap: unitGap(unit, language), unit };
}

export function numberText(sensor: NumberSensor, value: number, language: Language): string {
  const { number, gap, unit } = showNumber(sensor, value, language);
  return number + gap + unit;
}

function digitsFor(value: number): number {
  if (Number.isInteger(value)) return 0;
  const size = Math.abs(value);
  if (size >= 1_000) return 0;
  if (size >= 100) return 1;
  return size >= 1 ? 2 : 3;
}

function scaledDigits(value: number): number {
  const size = Math.abs(value);
  if (size >= 100) return 0;
  return size >= 10 ? 1 : 2;
}

const OPENINGS = new Set(["door", "window", "opening", "garage_door", "valve"]);

/** The message key of a boolean's word, by the sensor's class. */
export function boolKey(sensorClass: string | null | undefined, value: boolean): string {
  if (OPENINGS.has(sensorClass ?? "")) return value ? "value.open" : "value.closed";
  return value ? "value.on" : "value.off";
}

export function isTrue(value: Value): boolean {
  return value === true || value === 1;
}

/** A name in a place that cannot hold `<bdi>`: titles, labels, canvas. */
export function isolate(name: string): string {
  return `\u2068${name}\u2069`;
}
