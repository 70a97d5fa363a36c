import { computed, type ComputedRef } from "vue";
import type { Sensor, Value } from "../api/types";
import { sensorName } from "../lib/device";
import { boolKey, isolate, isTrue, numberText } from "../lib/format";
import type { RangeName } from "../lib/range";
import { formatTime } from "../lib/time";
import type { Reading } from "../stores/readings";
import type { ChartView } from "./use-series";
import { useWords } from "./use-words";

interface Shown {
  sensor: Sensor;
  reading: Reading | null;
  view: ChartView | null;
  range: RangeName;
  failure: string;
}

export interface ChartWords {
  stats: ComputedRef<{ label: string; value: string }[]>;
  sentence: ComputedRef<string>;
  emptyText: ComputedRef<string>;
  bandText: ComputedRef<string>;
}

const WIDTHS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

/** What a chart says in words: its figures, a sentence for who does not see it, why it is empty, what the band is. */
export function useChartWords(shown: Shown): ChartWords {
  const { t, language, count } = useWords();
  const number = (value: number): string => numberText(shown.sensor, value, language.value);
  const text = (value: Value): string => {
    if (value === null) return t("value.none");
    if (typeof value === "string") return value;
    if (shown.sensor.type === "bool") return t(boolKey(shown.sensor.class, isTrue(value)));
    return number(Number(value));
  };
  const clock = (at: number): string => formatTime(at, "minutes", language.value);

  const empty = computed(() => {
    const view = shown.view;
    if (view === null) return false;
    if (shown.sensor.type !== "number") return view.stretches.every((stretch) => stretch.value === null);
    return !Number.isFinite(view.picture.lowest);
  });
  const figures = computed(() => (shown.sensor.type === "number" && !empty.value ? (shown.view?.picture ?? null) : null));

  const stats = computed(() => {
    const { lowest, average, highest } = figures.value ?? {};
    if (shown.sensor.type !== "number") return [];
    const cell = (value: number | undefined): string => (value === undefined ? "—" : number(value));
    return [
      { label: t("chart.lowest"), value: cell(lowest) },
      { label: t("chart.average"), value: cell(average) },
      { label: t("chart.highest"), value: cell(highest) },
    ];
  });

  const sentence = computed(() => {
    const named = { name: isolate(sensorName(shown.sensor)), range: t(`range.last.${shown.range}`) };
    const picture = figures.value;
    if (picture === null) {
      if (empty.value || shown.reading === null) return t("chart.sentenceEmpty", named);
      return `${named.name}, ${named.range}: ${text(shown.reading.value)}`;
    }
    return t("chart.sentence", {
      ...named,
      now: text(shown.reading?.value ?? null),
      lowest: number(picture.lowest),
      lowestAt: clock(picture.lowestAt),
      highest: number(picture.highest),
      highestAt: clock(picture.highestAt),
      gaps: count("chart.gapsIn", picture.gaps),
    });
  });

  const emptyText = computed(() => {
    if (!empty.value || shown.failure !== "") return "";
    const last = shown.reading?.ts;
    if (last === undefined) return t("chart.empty");
    return t("chart.emptyLast", { time: `${formatTime(last, "date", language.value)}, ${clock(last)}` });
  });

  const bandText = computed(() => {
    const view = shown.view;
    if (view === null || view.picture.bands.length === 0 || figures.value === null) return "";
    const [key, size] = WIDTHS.find(([, ms]) => view.widthMs >= ms && view.widthMs % ms === 0) ?? WIDTHS[3];
    return t("chart.band", { width: t(`width.${key}`, { n: view.widthMs / size }) });
  });

  return { stats, sentence, emptyText, bandText };
}
