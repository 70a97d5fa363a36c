import { describe, expect, it } from "vitest";
import { stepDigits, valueAxis } from "../../src/lib/axis";
import { numberText } from "../../src/lib/format";
import { ageWords, zoneName } from "../../src/lib/time";

const shown = (unit: string, value: number, language: "en" | "ru" = "en", precision: number | null = null): string =>
  numberText({ unit, precision }, value, language).replaceAll("\u202F", " ").replaceAll("\u00A0", " ");

describe("numbers and units", () => {
  it("follow the language", () => {
    expect(shown("Cel", 21.5, "en", 1)).toBe("21.5 °C");
    expect(shown("%", 12.4, "en", 1)).toBe("12.4%");
    expect(shown("%", 12.4, "ru", 1)).toBe("12,4 %");
    expect(shown("hPa", 1013, "ru")).toBe("1 013 гПа");
  });

  it("scale bytes by 1024 and seconds by what is read", () => {
    expect(shown("By", 0)).toBe("0 B");
    expect(shown("By", 3.4 * 2 ** 30)).toBe("3.40 GiB");
    expect(shown("By/s", 1_572_864, "ru")).toBe("1,50 МиБ/с");
    expect(shown("s", 90)).toBe("90 s");
    expect(shown("s", 1_234_567)).toBe("14.3 d");
  });

  it("never say minus zero", () => {
    expect(shown("Cel", -0.04, "en", 1)).toBe("0.0 °C");
  });

  it("show an unknown code as it is, and what an annotation says", () => {
    expect(shown("frob", 3)).toBe("3 frob");
    expect(shown("{rpm}", 900)).toBe("900 rpm");
    expect(shown("1", 0.5)).toBe("0.500");
  });
});

describe("the age of a reading", () => {
  const now = new Date(2026, 5, 10, 12, 0, 0).getTime();
  it.each([
    [0, "age.now", undefined], [9_999, "age.now", undefined], [25_000, "age.seconds", 20], [60_000, "age.minutes", 1],
    [3_599_000, "age.minutes", 59], [7_200_000, "age.hours", 2], [30 * 3_600_000, "age.yesterday", undefined], [72 * 3_600_000, "age.date", undefined],
  ])("%d ms", (age, key, n) => {
    const words = ageWords(now - age, now, "en");
    expect(words.key).toBe(key);
    if (n !== undefined) expect(words.named["n"]).toBe(n);
  });

  it("counts single seconds where asked", () => {
    expect(ageWords(now - 4_200, now, "en", true)).toEqual({ key: "age.seconds", named: { n: 4 } });
  });

  it("is never negative", () => {
    expect(ageWords(now + 5_000, now, "en").key).toBe("age.now");
  });
});

describe("zones", () => {
  it("are named as people say them", () => {
    expect(zoneName("Europe/Moscow", 0, "ru")).toBe("Москва (UTC+3)");
    expect(zoneName("America/New_York", 0, "en")).toBe("New York (UTC-5)");
    expect(zoneName("UTC", 0, "en")).toBe("UTC");
  });
});

describe("the value axis", () => {
  it("stands on round ticks around the data", () => {
    expect(valueAxis({ lowest: 19.8, highest: 23.1, factor: 1, narrowest: 1, percent: false, ticks: 5 })).toEqual({ min: 19, max: 24, step: 1 });
  });
  it("does not make drama of noise", () => {
    const axis = valueAxis({ lowest: 21.5, highest: 21.5, factor: 1, narrowest: 1, percent: false, ticks: 5 });
    expect(axis.max - axis.min).toBeGreaterThanOrEqual(1);
  });
  it("keeps a percentage within 0 and 100, and what is not negative above zero", () => {
    const axis = valueAxis({ lowest: 0, highest: 100, factor: 1, narrowest: 1, percent: true, ticks: 5 });
    expect([axis.min, axis.max]).toEqual([0, 100]);
    expect(valueAxis({ lowest: 0, highest: 0, factor: 1, narrowest: 10, percent: false, ticks: 5 }).min).toBe(0);
  });
  it("is round in the unit that is shown", () => {
    const axis = valueAxis({ lowest: 3.1 * 2 ** 30, highest: 3.6 * 2 ** 30, factor: 2 ** 30, narrowest: 1, percent: false, ticks: 5 });
    expect(axis.step / 2 ** 30).toBeCloseTo(0.2);
    expect(stepDigits(0.2)).toBe(1);
  });
});
