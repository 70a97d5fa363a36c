import { computed, type ComputedRef } from "vue";
import { clockSkew } from "../lib/clock";
import { numberText } from "../lib/format";
import { useNow } from "./use-now";
import { useWords } from "./use-words";

const WARN_FROM = 120_000;

/** A quiet sentence when the gateway's clock and the browser's are more than two minutes apart. */
export function useClockWarning(): ComputedRef<string> {
  const now = useNow();
  const { t, language } = useWords();
  const minutes = computed(() => (now.value > 0 ? Math.round(Math.abs(clockSkew()) / 60_000) : 0));
  return computed(() =>
    minutes.value * 60_000 < WARN_FROM
      ? ""
      : t("link.skew", { span: numberText({ unit: "s", precision: 0 }, minutes.value * 60, language.value) }),
  );
}
