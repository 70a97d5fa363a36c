import { fileURLToPath } from "node:url";
import vue from "eslint-plugin-vue";
import tseslint from "typescript-eslint";

const root = fileURLToPath(new URL("..", import.meta.url));

const layers = (forbidden, message) => ({
  "@typescript-eslint/no-restricted-imports": ["error", { patterns: [{ group: forbidden, message, allowTypeImports: true }] }],
});

export default tseslint.config(
  { ignores: ["dist/**", "e2e/**", "**/node_modules/**", "src/theme/first-paint.js"] },
  {
    files: ["src/**/*.ts", "src/**/*.vue", "build/**/*.ts"],
    extends: [...tseslint.configs.strictTypeChecked, ...vue.configs["flat/recommended"]],
    languageOptions: {
      parserOptions: {
        parser: tseslint.parser,
        project: "./tsconfig.json",
        tsconfigRootDir: root,
        extraFileExtensions: [".vue"],
      },
    },
    rules: {
      "max-lines": ["error", { max: 300 }],
      "vue/no-v-html": "error",
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/html-indent": "off",
      "vue/html-self-closing": ["error", { html: { void: "always" } }],
      "vue/require-default-prop": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
  {
    files: ["src/components/**"],
    rules: layers(["**/api/client", "**/api/socket", "**/router", "**/views/*", "**/stores/*"], "Components know neither the API nor routes nor stores."),
  },
  {
    files: ["src/views/**"],
    rules: layers(["**/api/client", "**/api/socket"], "Views know stores and composables."),
  },
  {
    files: ["src/lib/**", "src/theme/**"],
    rules: layers(["**/stores/*", "**/composables/*", "**/components/**", "**/views/*", "**/api/client"], "The plain parts know nothing of the page."),
  },
);
