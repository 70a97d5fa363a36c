import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { tokensCss } from "../src/theme/css.ts";

const TOKENS = "virtual:tokens.css";
const FIRST_PAINT = fileURLToPath(new URL("../src/theme/first-paint.js", import.meta.url));

/**
 * Gives the tokens of `src/theme/tokens.ts` as a stylesheet, and puts the classic script that
 * chooses the theme first in the head, as a hashed file (the content security policy allows no inline script).
 */
export function themeAssets(): Plugin {
  const source = readFileSync(FIRST_PAINT, "utf8");
  const hash = createHash("sha256").update(source).digest("base64url").slice(0, 8);
  const fileName = `assets/first-paint-${hash}.js`;
  let serving = false;
  return {
    name: "iot:theme-assets",
    configResolved(config) {
      serving = config.command === "serve";
    },
    resolveId: (id) => (id === TOKENS ? `\0${TOKENS}` : undefined),
    load: (id) => (id === `\0${TOKENS}` ? tokensCss() : undefined),
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source });
    },
    transformIndexHtml: {
      order: "post",
      handler: () => [
        { tag: "script", attrs: { src: serving ? "/src/theme/first-paint.js" : `/${fileName}` }, injectTo: "head-prepend" },
      ],
    },
  };
}
