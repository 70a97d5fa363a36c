import { tokens, type ThemeName, type Tokens } from "./tokens.ts";

/** The tokens as custom properties: `text2` becomes `--c-text-2`, `onlineTint` `--c-online-tint`. */
export function tokensCss(): string {
  return [
    `:root{color-scheme:light;${properties("light")}}`,
    `@media (prefers-color-scheme:dark){:root{color-scheme:dark;${properties("dark")}}}`,
    `:root[data-theme="light"]{color-scheme:light;${properties("light")}}`,
    `:root[data-theme="dark"]{color-scheme:dark;${properties("dark")}}`,
  ].join("\n");
}

function properties(theme: ThemeName): string {
  return Object.entries(tokens[theme] satisfies Tokens)
    .map(([name, value]: [string, string | readonly string[]]) =>
      typeof value === "string"
        ? `--c-${kebab(name)}:${value};`
        : value.map((colour, index) => `--c-series-${String(index + 1)}:${colour};`).join(""),
    )
    .join("");
}

function kebab(name: string): string {
  return name.replace(/[A-Z]|\d/g, (part) => `-${part.toLowerCase()}`);
}
