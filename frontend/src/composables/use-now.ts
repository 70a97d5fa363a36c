import { readonly, ref } from "vue";
import { gatewayNow } from "../lib/clock";

const now = ref(gatewayNow());
const jumps = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;
let last = Date.now();
const SLEPT = 10_000;

function tick(): void {
  const wall = Date.now();
  if (wall - last > SLEPT) jumps.forEach((listener) => { listener(); });
  last = wall;
  now.value = gatewayNow();
  timer = setTimeout(tick, 1_000 - (wall % 1_000));
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) tick();
});
if (!document.hidden) tick();

/** The gateway's time by the page's one timer: on the second, stopped while hidden. */
export function useNow(): Readonly<typeof now> {
  return readonly(now);
}

/** Calls back when the timer sees that the machine has slept. */
export function onSleep(listener: () => void): void {
  jumps.add(listener);
}
