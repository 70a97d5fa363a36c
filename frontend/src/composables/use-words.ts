import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";
import { i18n, type Language } from "../i18n";
import { formatNumber } from "../lib/format";
import { ageWords } from "../lib/time";

export interface Words {
  t: ReturnType<typeof useI18n>["t"];
  language: ComputedRef<Language>;
  /** A counted noun: the number formatted, the form by the number. */
  count: (key: string, n: number) => string;
  age: (at: number, now: number, bySecond?: boolean) => string;
}

/** The page's words in the language in use. */
export function useWords(): Words {
  const { t } = useI18n();
  const language = computed(() => i18n.global.locale.value as Language);
  const count = (key: string, n: number): string => t(key, { n: formatNumber(n, language.value, 0) }, n);
  const age = (at: number, now: number, bySecond = false): string => {
    const words = ageWords(at, now, language.value, bySecond);
    return words.plural === undefined ? t(words.key, words.named) : t(words.key, words.named, words.plural);
  };
  return { t, language, count, age };
}
