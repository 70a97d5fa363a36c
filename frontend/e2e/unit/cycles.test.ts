import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";

const ROOT = "../src";
const IMPORT = /^(?:import|export)\s(?!type\b)[^;]*?from\s+"(\.[^"]+)"/gm;

function imports(file: string): string[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  return [...source.matchAll(IMPORT)]
    .map((match) => normalize(join(dirname(file), match[1] ?? "")))
    .flatMap((path) => [path, `${path}.ts`, join(path, "index.ts")].filter((name) => /\.(?:ts|vue)$/.test(name) && existsSync(join(ROOT, name))));
}

it("no part of the page imports itself in a circle", () => {
  const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => /\.(?:ts|vue)$/.test(name));
  const graph = new Map(files.map((file) => [file, imports(file)]));
  const done = new Set<string>();
  const walk = (file: string, path: string[]): void => {
    expect(path, `a circle of imports: ${[...path, file].join(" → ")}`).not.toContain(file);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
});
