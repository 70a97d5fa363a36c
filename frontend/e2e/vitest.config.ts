import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const modules = fileURLToPath(new URL("../node_modules", import.meta.url));

export default defineConfig({
  plugins: [vue()],
  resolve: {
    alias: ["vue", "pinia", "vue-router", "vue-i18n"].map((name) => ({ find: name, replacement: `${modules}/${name}` })),
    dedupe: ["vue"],
  },
  server: { fs: { allow: [".."] } },
  test: { environment: "jsdom", include: ["unit/**/*.test.ts"], setupFiles: ["unit/setup.ts"] },
});
