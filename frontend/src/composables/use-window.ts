import { computed, onMounted, onUnmounted, ref, type ComputedRef, type Ref } from "vue";

const OVERSCAN = 10;
const VIRTUAL_FROM = 60;

export interface RowWindow {
  first: ComputedRef<number>;
  last: ComputedRef<number>;
  /** Space that stands for the rows that are not drawn. */
  above: ComputedRef<number>;
  below: ComputedRef<number>;
}

/** The rows of a long list that are near the screen. The page itself scrolls; every row has the same height. */
export function useWindow(body: Ref<HTMLElement | null>, total: () => number): RowWindow {
  const top = ref(0);
  const height = ref(0);
  const rowHeight = ref(48);
  let frame = 0;

  function measure(): void {
    frame = 0;
    const element = body.value;
    if (element === null) return;
    const row = parseFloat(getComputedStyle(element).getPropertyValue("--row-height"));
    if (row > 0) rowHeight.value = row;
    top.value = Math.max(0, -element.getBoundingClientRect().top);
    height.value = window.innerHeight;
  }

  function later(): void {
    frame ||= requestAnimationFrame(measure);
  }

  onMounted(() => {
    measure();
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later, { passive: true });
  });
  onUnmounted(() => {
    cancelAnimationFrame(frame);
    window.removeEventListener("scroll", later);
    window.removeEventListener("resize", later);
  });

  const all = computed(() => total() <= VIRTUAL_FROM);
  const first = computed(() => (all.value ? 0 : Math.max(0, Math.floor(top.value / rowHeight.value) - OVERSCAN)));
  const last = computed(() =>
    all.value ? total() : Math.min(total(), Math.ceil((top.value + height.value) / rowHeight.value) + OVERSCAN),
  );
  const above = computed(() => first.value * rowHeight.value);
  const below = computed(() => (total() - last.value) * rowHeight.value);
  return { first, last, above, below };
}
