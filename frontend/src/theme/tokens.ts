/** The colours of the page, the only place where one is written. PAGE.md section 4 gives the ratios that a test computes. */
export interface Tokens {
  bg: string;
  surface: string;
  raised: string;
  line: string;
  field: string;
  text: string;
  text2: string;
  text3: string;
  accent: string;
  accentHover: string;
  onAccent: string;
  online: string;
  onlineTint: string;
  stale: string;
  staleTint: string;
  fault: string;
  faultTint: string;
  offline: string;
  offlineTint: string;
  bad: string;
  badTint: string;
  series: readonly string[];
}

export type ThemeName = "light" | "dark";

export const tokens: Record<ThemeName, Tokens> = {
  light: {
    bg: "#F5F7F9",
    surface: "#FFFFFF",
    raised: "#ECF0F3",
    line: "#D4DAE1",
    field: "#76828F",
    text: "#161B21",
    text2: "#434D58",
    text3: "#596572",
    accent: "#0B6684",
    accentHover: "#0A5870",
    onAccent: "#FFFFFF",
    online: "#1B7A3D",
    onlineTint: "#E4F3E9",
    stale: "#8A5B00",
    staleTint: "#FBF1DA",
    fault: "#C0272D",
    faultTint: "#FCE9E8",
    offline: "#5B6672",
    offlineTint: "#ECF0F3",
    bad: "#7B3FB3",
    badTint: "#F1E8F9",
    series: ["#45719E", "#EE6314", "#29A38A", "#86254B", "#735A16", "#611BAA", "#025576", "#A7585C"],
  },
  dark: {
    bg: "#0F1317",
    surface: "#171C22",
    raised: "#222A32",
    line: "#303943",
    field: "#75828F",
    text: "#E9EDF1",
    text2: "#B6C0CA",
    text3: "#94A1AE",
    accent: "#5CB8D6",
    accentHover: "#7CCBE4",
    onAccent: "#0F1317",
    online: "#56C288",
    onlineTint: "#143024",
    stale: "#E0B040",
    staleTint: "#33290F",
    fault: "#FF8078",
    faultTint: "#3A1D1E",
    offline: "#94A1AE",
    offlineTint: "#222A32",
    bad: "#C79BF2",
    badTint: "#2C2038",
    series: ["#4483FC", "#FD9718", "#65CDAD", "#BA689C", "#EFD944", "#B89CDF", "#87E2FA", "#DC5A4E"],
  },
};

export const fontFamily = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
