import { createI18n } from "vue-i18n";
import { remember, remembered } from "./lib/storage";

export const LANGUAGES = ["en", "ru"] as const;
export type Language = (typeof LANGUAGES)[number];

const FORMS: Record<string, number> = { one: 0, few: 1, many: 2, other: 1 };
const russian = new Intl.PluralRules("ru");

/** Which of the three Russian forms a number takes; a fraction takes the second. */
export function russianForm(choice: number): number {
  return FORMS[russian.select(choice)] ?? 2;
}

export const i18n = createI18n({
  legacy: false,
  locale: "en",
  fallbackLocale: "en",
  missingWarn: false,
  fallbackWarn: false,
  pluralRules: { ru: russianForm },
  messages: {},
});

const loaders: Record<Language, () => Promise<{ default: object }>> = {
  en: () => import("./locales/en.json"),
  ru: () => import("./locales/ru.json"),
};

export function asLanguage(text: string | null | undefined): Language | null {
  return LANGUAGES.find((language) => text?.toLowerCase().startsWith(language) === true) ?? null;
}

export function chosenLanguage(): Language | null {
  return asLanguage(remembered("language"));
}

/** Chosen here, else the first of the browser's that the page speaks, else English. */
export function startLanguage(): Language {
  const ofBrowser = navigator.languages.map(asLanguage).find((language) => language !== null);
  return chosenLanguage() ?? ofBrowser ?? "en";
}

/** Only the language in use is loaded. */
export async function speak(language: Language): Promise<void> {
  const messages = await loaders[language]();
  i18n.global.setLocaleMessage(language, messages.default as Record<string, string>);
  i18n.global.locale.value = language;
  document.documentElement.lang = language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  remember("language", language);
  await speak(language);
}
