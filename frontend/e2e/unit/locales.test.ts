import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createI18n } from "vue-i18n";
import { russianForm } from "../../src/i18n";
import en from "../../src/locales/en.json";
import ru from "../../src/locales/ru.json";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, prefix = ""): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === "string" ? [[prefix + key, value]] : Object.entries(flat(value, `${prefix}${key}.`)),
    ),
  );
}

const english = flat(en);
const russian = flat(ru);
const forms = (text: string): number => text.split("|").length;
const names = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

describe("the words of the page", () => {
  it("have the same keys in both languages", () => {
    expect(Object.keys(russian).sort()).toEqual(Object.keys(english).sort());
  });

  it("have two plural forms in English and three in Russian", () => {
    for (const key of Object.keys(english)) {
      const counted = forms(english[key] ?? "") > 1 || forms(russian[key] ?? "") > 1;
      if (counted) expect([key, forms(english[key] ?? ""), forms(russian[key] ?? "")]).toEqual([key, 2, 3]);
    }
  });

  it("take the same parameters", () => {
    for (const key of Object.keys(english)) {
      expect([key, names(russian[key] ?? "")]).toEqual([key, names(english[key] ?? "")]);
    }
  });

  it("are all used somewhere", () => {
    const source = readdirSync("../src", { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(?:vue|ts)$/.test(name))
      .map((name) => readFileSync(join("../src", name), "utf8"))
      .join("\n");
    const built = [...source.matchAll(/`([\w.]+\.)\$\{/g)].map((match) => match[1] ?? "");
    const unused = Object.keys(english).filter(
      (key) => !source.includes(`"${key}"`) && !source.includes(`'${key}'`) && !built.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });

  it("count in Russian", () => {
    const { t } = createI18n({ legacy: false, locale: "ru", pluralRules: { ru: russianForm }, messages: { ru } }).global;
    const said = [0, 1, 2, 5, 11, 21, 111, 1.5, 1000].map((n) => t("devices.count", { n }, n));
    expect(said).toEqual([
      "0 устройств", "1 устройство", "2 устройства", "5 устройств", "11 устройств",
      "21 устройство", "111 устройств", "1.5 устройства", "1000 устройств",
    ]);
  });
});
