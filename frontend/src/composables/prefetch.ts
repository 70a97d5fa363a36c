interface Connection {
  saveData?: boolean;
}

/** Fetches what comes next while nothing else is to do, unless the user saves data. */
export function prefetchDevice(): void {
  if (saving()) return;
  whenIdle(() => {
    void import("../views/DeviceView.vue");
    prefetchCharts();
  });
}

export function prefetchCharts(): void {
  if (!saving()) void import("../components/chart/TimeChart.vue");
}

function saving(): boolean {
  return (navigator as Navigator & { connection?: Connection }).connection?.saveData === true;
}

function whenIdle(work: () => void): void {
  if ("requestIdleCallback" in window) window.requestIdleCallback(work, { timeout: 5_000 });
  else setTimeout(work, 1_500);
}
