import type { Picture } from "../../lib/series";
import { fontFamily, type Tokens } from "../../theme/tokens";
import type { ChartOption, CustomSeriesOption, LineSeriesOption } from "./echarts";

export interface Drawing {
  from: number;
  to: number;
  picture: Picture | null;
  colours: Tokens;
  y: { min: number; max: number; step: number } | null;
  yLabel: (value: number) => string;
  yUnit: string;
  xTicks: number[];
  xLabel: (at: number) => string;
  /** Room for the widest label of the value axis, in pixels. */
  left: number;
  /** The plot's width, in pixels. */
  width: number;
  steps: boolean;
  tooltip: (at: number) => HTMLElement;
}

const RIGHT = 30;
const TOP = 28;
const BOTTOM = 28;

type RenderItem = NonNullable<CustomSeriesOption["renderItem"]>;

export function plotWidth(box: number, left: number): number {
  return Math.max(0, box - left - RIGHT);
}

/** One panel: the band under the line, the marks over it, the x axis exactly the range asked for. */
export function chartOption(d: Drawing): ChartOption {
  const text = { color: d.colours.text2, fontSize: 12, fontFamily };
  const colour = d.colours.series[0] ?? d.colours.accent;
  return {
    animation: false,
    grid: { left: d.left, right: RIGHT, top: TOP, bottom: BOTTOM, outerBoundsMode: "none" },
    xAxis: {
      type: "time",
      min: d.from,
      max: d.to,
      axisLine: { show: false },
      axisTick: { show: true, length: 4, lineStyle: { color: d.colours.field }, customValues: d.xTicks },
      axisLabel: { ...text, margin: 10, customValues: d.xTicks, formatter: (at: number) => d.xLabel(at), hideOverlap: true },
      splitLine: { show: false },
      axisPointer: { show: true, snap: true, lineStyle: { color: d.colours.text3, type: "dashed" }, label: { show: false } },
    },
    yAxis: {
      type: "value",
      name: d.yUnit,
      nameGap: 10,
      nameTextStyle: { ...text, align: "right", padding: [0, 8, 0, 0] },
      min: d.y?.min ?? 0,
      max: d.y?.max ?? 1,
      interval: d.y?.step ?? 1,
      axisLabel: { ...text, show: d.y !== null, formatter: d.yLabel, margin: 8 },
      splitLine: { lineStyle: { color: d.colours.line } },
      axisPointer: { show: false },
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: d.colours.surface,
      borderColor: d.colours.field,
      padding: [8, 12],
      textStyle: { color: d.colours.text, fontSize: 14, fontFamily },
      extraCssText: "box-shadow:0 2px 8px rgb(0 0 0/20%);border-radius:4px",
      formatter: (parameters) => d.tooltip(atOf(parameters)),
    },
    series: [
      {
        id: "band",
        type: "custom",
        silent: true,
        clip: true,
        z: 1,
        tooltip: { show: false },
        data: (d.picture?.bands ?? []).map((band) => [band[0] ?? 0, band[1] ?? 0]),
        renderItem: bandRenderer(d.picture?.bands ?? [], colour),
      },
      lineSeries(d, colour),
      {
        id: "marks",
        type: "custom",
        silent: true,
        clip: false,
        z: 3,
        tooltip: { show: false },
        data: markData(d),
        renderItem: markRenderer(d, colour),
      },
    ],
  };
}

function lineSeries(d: Drawing, colour: string): LineSeriesOption {
  return {
    id: "line",
    type: "line",
    z: 2,
    dimensions: ["t", "v"],
    data: (d.picture?.line ?? new Float64Array(0)) as unknown as number[],
    connectNulls: false,
    showSymbol: d.picture !== null && d.picture.line.length / 2 < d.width / 12,
    symbol: "circle",
    symbolSize: 5,
    step: d.steps ? "end" : false,
    lineStyle: { width: 1.75, color: colour },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  };
}

function atOf(parameters: unknown): number {
  const first: unknown = Array.isArray(parameters) ? parameters[0] : parameters;
  return Number((first as { axisValue?: unknown } | undefined)?.axisValue ?? Number.NaN);
}

function bandRenderer(bands: Float64Array[], colour: string): RenderItem {
  return (parameters, api) => {
    const band = bands[parameters.dataIndex] ?? new Float64Array(0);
    const lower: number[][] = [];
    const upper: number[][] = [];
    for (let i = 0; i + 2 < band.length; i += 3) {
      lower.push(api.coord([band[i] ?? 0, band[i + 1] ?? 0]));
      upper.push(api.coord([band[i] ?? 0, band[i + 2] ?? 0]));
    }
    return { type: "polygon", shape: { points: [...lower, ...upper.reverse()] }, style: { fill: colour, opacity: 0.18 } };
  };
}

const BAD = 0;
const SUSPECT = 1;
const NOW = 2;

function markData(d: Drawing): number[][] {
  const picture = d.picture;
  if (picture === null || d.y === null) return [];
  const floor = d.y.min;
  const marks = picture.bad.map((t) => [t, floor, BAD]);
  for (const [t, v] of picture.suspect) if (t >= d.from) marks.push([t, v, SUSPECT]);
  const v = picture.line.at(-1) ?? Number.NaN;
  const t = picture.line.at(-2) ?? Number.NaN;
  if (!Number.isNaN(v) && t >= d.from) marks.push([t, v, NOW]);
  return marks;
}

function markRenderer(d: Drawing, colour: string): RenderItem {
  return (_parameters, api) => {
    const [x = 0, y = 0] = api.coord([api.value(0), api.value(1)]);
    switch (api.value(2)) {
      case BAD:
        return {
          type: "path",
          shape: { pathData: "M-4-4L4 4M4-4L-4 4" },
          x,
          y: y - 8,
          style: { stroke: d.colours.bad, lineWidth: 1.75 },
        };
      case SUSPECT:
        return { type: "circle", shape: { cx: x, cy: y, r: 4 }, style: { fill: d.colours.surface, stroke: d.colours.stale, lineWidth: 1.75 } };
      default:
        return { type: "circle", shape: { cx: x, cy: y, r: 4 }, style: { fill: colour, stroke: d.colours.surface, lineWidth: 1.5 } };
    }
  };
}
