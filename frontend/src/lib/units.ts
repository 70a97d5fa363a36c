import type { Language } from "../i18n";

const NARROW_SPACE = "\u202F";

/** UCUM code → what people read, English and Russian. A code that is not here is shown as it is. */
const DISPLAY: Record<string, readonly [string, string]> = {
  Cel: ["°C", "°C"],
  "[degF]": ["°F", "°F"],
  K: ["K", "К"],
  "%": ["%", "%"],
  hPa: ["hPa", "гПа"],
  kPa: ["kPa", "кПа"],
  Pa: ["Pa", "Па"],
  bar: ["bar", "бар"],
  mbar: ["mbar", "мбар"],
  "mm[Hg]": ["mmHg", "мм рт. ст."],
  W: ["W", "Вт"],
  kW: ["kW", "кВт"],
  "W.h": ["Wh", "Вт·ч"],
  "kW.h": ["kWh", "кВт·ч"],
  V: ["V", "В"],
  mV: ["mV", "мВ"],
  A: ["A", "А"],
  mA: ["mA", "мА"],
  Ohm: ["Ω", "Ом"],
  Hz: ["Hz", "Гц"],
  kHz: ["kHz", "кГц"],
  MHz: ["MHz", "МГц"],
  GHz: ["GHz", "ГГц"],
  lx: ["lx", "лк"],
  dB: ["dB", "дБ"],
  "dB[mW]": ["dBm", "дБм"],
  m: ["m", "м"],
  cm: ["cm", "см"],
  mm: ["mm", "мм"],
  km: ["km", "км"],
  "m/s": ["m/s", "м/с"],
  "m/s2": ["m/s²", "м/с²"],
  "km/h": ["km/h", "км/ч"],
  "mm/h": ["mm/h", "мм/ч"],
  l: ["l", "л"],
  L: ["l", "л"],
  "l/min": ["l/min", "л/мин"],
  m3: ["m³", "м³"],
  "m3/h": ["m³/h", "м³/ч"],
  g: ["g", "г"],
  kg: ["kg", "кг"],
  deg: ["°", "°"],
  "[ppm]": ["ppm", "ppm"],
  "[ppb]": ["ppb", "ppb"],
  "ug/m3": ["µg/m³", "мкг/м³"],
  us: ["µs", "мкс"],
  ms: ["ms", "мс"],
  s: ["s", "с"],
  min: ["min", "мин"],
  h: ["h", "ч"],
  d: ["d", "дн."],
  "/s": ["/s", "/с"],
  "1/s": ["/s", "/с"],
  "/min": ["/min", "/мин"],
  "1/min": ["/min", "/мин"],
  "1": ["", ""],
};

const BYTES = [
  ["B", "Б"],
  ["KiB", "КиБ"],
  ["MiB", "МиБ"],
  ["GiB", "ГиБ"],
  ["TiB", "ТиБ"],
  ["PiB", "ПиБ"],
] as const;

const DURATIONS = [
  [86_400, "d", "дн."],
  [3_600, "h", "ч"],
  [60, "min", "мин"],
  [1, "s", "с"],
] as const;

export interface Scale {
  /** Shown value = value / factor. */
  factor: number;
  unit: string;
}

const side = (language: Language): 0 | 1 => (language === "ru" ? 1 : 0);

function bytesPer(code: string): string | null {
  if (code === "By") return "";
  return code.startsWith("By/") ? code.slice(2) : null;
}

/** The unit a value of this size is shown in: bytes and seconds grow with it, all else stays. */
export function scaleFor(code: string, size: number, language: Language): Scale {
  const per = bytesPer(code);
  if (per !== null) {
    const step = Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, Math.abs(size))) / 10)));
    const suffix = per === "" ? "" : (DISPLAY[per]?.[side(language)] ?? per);
    return { factor: 1024 ** step, unit: (BYTES[step] ?? BYTES[0])[side(language)] + suffix };
  }
  if (code === "s" && Math.abs(size) >= 120) {
    const [factor, en, ru] = DURATIONS.find(([seconds]) => Math.abs(size) >= seconds * 2) ?? DURATIONS[3];
    return { factor, unit: language === "ru" ? ru : en };
  }
  return { factor: 1, unit: unitText(code, language) };
}

export function unitText(code: string, language: Language): string {
  const known = DISPLAY[code];
  if (known) return known[side(language)];
  return code.replace(/\{([^}]*)\}/g, "$1");
}

export function isScaled(code: string): boolean {
  return bytesPer(code) !== null || code === "s";
}

/** What stands between a number and its unit: nothing before an English %, a degree sign of an angle or a rate. */
export function unitGap(unit: string, language: Language): string {
  if (unit === "" || unit.startsWith("/")) return "";
  if (unit === "°" || (unit === "%" && language === "en")) return "";
  return NARROW_SPACE;
}
