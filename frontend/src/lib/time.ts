import type { Instant } from "../api/types";
import type { Language } from "../i18n";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const styles = {
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minutes: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { day: "numeric", month: "short" },
  date: { day: "numeric", month: "short", year: "numeric" },
  full: { dateStyle: "long", timeStyle: "medium", hourCycle: "h23" },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

export type TimeStyle = keyof typeof styles;

const formatters = new Map<string, Intl.DateTimeFormat>();

export function formatTime(at: number, style: TimeStyle, language: Language): string {
  const key = `${language} ${style}`;
  let formatter = formatters.get(key);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, styles[style]);
    formatters.set(key, formatter);
  }
  return formatter.format(at);
}

export function toMillis(instant: Instant): number {
  return typeof instant === "number" ? instant : Date.parse(instant);
}

export type Age = { key: string; named: Record<string, string | number>; plural?: number };

/** The age of a reading in words: a message key and what fills it. */
export function ageWords(at: number, now: number, language: Language, bySecond = false): Age {
  const age = Math.max(0, now - at);
  if (bySecond && age < MINUTE) {
    const seconds = Math.floor(age / SECOND);
    return seconds < 1 ? { key: "age.now", named: {} } : { key: "age.seconds", named: { n: seconds } };
  }
  if (age < 10 * SECOND) return { key: "age.now", named: {} };
  if (age < MINUTE) return { key: "age.seconds", named: { n: Math.floor(age / (10 * SECOND)) * 10 } };
  if (age < HOUR) return counted("age.minutes", Math.floor(age / MINUTE));
  if (age < DAY) return counted("age.hours", Math.floor(age / HOUR));
  const yesterday = new Date(now);
  yesterday.setHours(0, 0, 0, 0);
  yesterday.setDate(yesterday.getDate() - 1);
  if (at >= yesterday.getTime()) return { key: "age.yesterday", named: { time: formatTime(at, "minutes", language) } };
  return { key: "age.date", named: { date: formatTime(at, "date", language) } };
}

function counted(key: string, n: number): Age {
  return { key, named: { n }, plural: n };
}

export function viewerZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Russian cities that some browsers' time zone data does not name. */
const CITIES: Record<string, string> = {
  "Europe/Kaliningrad": "Калининград",
  "Europe/Moscow": "Москва",
  "Europe/Samara": "Самара",
  "Asia/Yekaterinburg": "Екатеринбург",
  "Asia/Omsk": "Омск",
  "Asia/Novosibirsk": "Новосибирск",
  "Asia/Krasnoyarsk": "Красноярск",
  "Asia/Irkutsk": "Иркутск",
  "Asia/Yakutsk": "Якутск",
  "Asia/Vladivostok": "Владивосток",
  "Asia/Magadan": "Магадан",
  "Asia/Kamchatka": "Камчатка",
};

/** A zone as people say it: "Moscow (UTC+3)", «Москва (UTC+3)». */
export function zoneName(zone: string, at: number, language: Language): string {
  try {
    const offset = namePart(zone, at, "en", "shortOffset").replace("GMT", "UTC");
    if (/^UTC(?:\+0)?$/.test(offset)) return "UTC";
    const city = zone.split("/").at(-1)?.replaceAll("_", " ") ?? zone;
    return `${language === "ru" ? (CITIES[zone] ?? russianName(zone, at) ?? city) : city} (${offset})`;
  } catch {
    return zone;
  }
}

function russianName(zone: string, at: number): string | null {
  const name = namePart(zone, at, "ru", "long").split(",")[0] ?? "";
  return /^[А-Яа-яЁё]/.test(name) ? name : null;
}

/** Whether two zones show the same clock now. */
export function sameClock(one: string, other: string, at: number): boolean {
  try {
    return namePart(one, at, "en", "longOffset") === namePart(other, at, "en", "longOffset");
  } catch {
    return one === other;
  }
}

function namePart(zone: string, at: number, language: string, style: "shortOffset" | "long" | "longOffset"): string {
  const parts = new Intl.DateTimeFormat(language, { timeZone: zone, timeZoneName: style }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? zone;
}

/** A label of the time axis; midnight is a date. */
export function axisLabel(at: number, span: number, language: Language): string {
  if (span < 2 * MINUTE) return formatTime(at, "seconds", language);
  const when = new Date(at);
  const midnight = when.getHours() === 0 && when.getMinutes() === 0 && when.getSeconds() === 0;
  if (midnight || span >= 2 * DAY) return formatTime(at, "day", language);
  return formatTime(at, when.getSeconds() === 0 ? "minutes" : "seconds", language);
}

const TICKS = [10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

/** Round moments of the viewer's clock inside a range, at most `most` of them. */
export function timeTicks(from: number, to: number, most: number): number[] {
  const step = (TICKS.find((seconds) => (to - from) / (seconds * SECOND) <= most) ?? 86_400) * SECOND;
  const shift = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks: number[] = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) ticks.push(at);
  return ticks;
}
