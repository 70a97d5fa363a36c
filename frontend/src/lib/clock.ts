/**
 * The gateway's clock as the page knows it, learned from the `Date` header of its answers.
 * A gateway without a real-time clock may be hours off; ages then follow its clock, not the browser's.
 */
const APPLY_FROM = 5_000;
const WEIGHT = 0.3;

let skew = 0;
let known = false;

export function noteServerDate(header: string | null, sent: number, received: number): void {
  const stamp = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(stamp)) return;
  const sample = stamp + 500 - (sent + received) / 2;
  skew = known ? skew + (sample - skew) * WEIGHT : sample;
  known = true;
}

export function clockSkew(): number {
  return Math.abs(skew) > APPLY_FROM ? skew : 0;
}

export function gatewayNow(): number {
  return Date.now() + clockSkew();
}
