import { describe, expect, it } from "vitest";
import { tokens, type ThemeName } from "../../src/theme/tokens";

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

describe.each<ThemeName>(["light", "dark"])("the %s theme", (name) => {
  const c = tokens[name];
  const planes = [c.bg, c.surface, c.raised];

  it.each(["text", "text2", "text3", "accent", "accentHover", "online", "stale", "fault", "offline", "bad"] as const)(
    "%s is read on every plane",
    (token) => {
      for (const plane of planes) expect(ratio(c[token], plane)).toBeGreaterThanOrEqual(4.5);
    },
  );

  it.each([
    ["online", "onlineTint"], ["stale", "staleTint"], ["fault", "faultTint"], ["offline", "offlineTint"], ["bad", "badTint"],
  ] as const)("%s is read on its tint", (token, tint) => {
    expect(ratio(c[token], c[tint])).toBeGreaterThanOrEqual(4.5);
  });

  it("a primary button is read", () => {
    expect(ratio(c.onAccent, c.accent)).toBeGreaterThanOrEqual(4.5);
    expect(ratio(c.onAccent, c.accentHover)).toBeGreaterThanOrEqual(4.5);
  });

  it("fields and series are seen", () => {
    expect(ratio(c.field, c.surface)).toBeGreaterThanOrEqual(3);
    for (const colour of c.series) expect(ratio(colour, c.surface)).toBeGreaterThanOrEqual(3);
  });
});
