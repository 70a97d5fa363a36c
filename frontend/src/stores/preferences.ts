import { defineStore } from "pinia";
import { computed, ref, watchEffect } from "vue";
import { useMedia } from "../composables/use-media";
import { remember, remembered } from "../lib/storage";
import { tokens, type ThemeName } from "../theme/tokens";

export type ThemeChoice = "system" | ThemeName;
export type DensityChoice = "auto" | "compact" | "roomy";

/** What this browser prefers; nothing of it is known to the gateway. */
export const usePreferences = defineStore("preferences", () => {
  const theme = ref<ThemeChoice>(oneOf(remembered("theme"), ["light", "dark"], "system"));
  const density = ref<DensityChoice>(oneOf(remembered("density"), ["compact", "roomy"], "auto"));
  const systemDark = useMedia("(prefers-color-scheme: dark)");
  const coarse = useMedia("(pointer: coarse)");
  const phone = useMedia("(max-width: 599px)");
  const activeTheme = computed<ThemeName>(() =>
    theme.value === "system" ? (systemDark.value ? "dark" : "light") : theme.value,
  );

  watchEffect(() => {
    const root = document.documentElement;
    set(root, "theme", theme.value === "system" ? null : theme.value);
    set(root, "density", density.value === "auto" ? null : density.value);
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", tokens[activeTheme.value].bg);
  });

  function set(root: HTMLElement, name: "theme" | "density", value: string | null): void {
    if (value === null) Reflect.deleteProperty(root.dataset, name);
    else root.dataset[name] = value;
    remember(name, value);
  }

  return { theme, density, activeTheme, coarse, phone };
});

function oneOf<T extends string, D extends string>(value: string | null, known: readonly T[], otherwise: D): T | D {
  return known.find((item) => item === value) ?? otherwise;
}
