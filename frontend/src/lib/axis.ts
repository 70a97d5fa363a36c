export interface ValueAxis {
  min: number;
  max: number;
  step: number;
}

export interface AxisWish {
  lowest: number;
  highest: number;
  /** Shown value = value / factor; ticks are round in what is shown. */
  factor: number;
  /** The axis is never narrower than this, so that noise is not drama. */
  narrowest: number;
  percent: boolean;
  ticks: number;
}

/** The data's range with 5 % to spare, on round ticks. */
export function valueAxis(wish: AxisWish): ValueAxis {
  let low = wish.lowest / wish.factor;
  let high = wish.highest / wish.factor;
  const within = wish.percent && low >= 0 && high <= 100;
  const positive = low >= 0;
  const spare = (high - low) * 0.05;
  low -= spare;
  high += spare;
  const lack = wish.narrowest / wish.factor - (high - low);
  if (lack > 0) {
    low -= lack / 2;
    high += lack / 2;
  }
  if (positive && low < 0) {
    high = Math.max(high, high - low);
    low = 0;
  }
  const step = roundStep((high - low) / wish.ticks);
  let min = Math.floor(low / step) * step;
  let max = Math.ceil(high / step) * step;
  if (within) {
    min = Math.max(0, min);
    max = Math.min(100, max);
  }
  return { min: clean(min) * wish.factor, max: clean(max) * wish.factor, step: step * wish.factor };
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough > 0 ? rough : 1));
  const unit = rough / power;
  return (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10) * power;
}

function clean(value: number): number {
  return Number(value.toPrecision(12));
}

/** Decimals that tell every tick from its neighbour. */
export function stepDigits(step: number): number {
  return Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
}
