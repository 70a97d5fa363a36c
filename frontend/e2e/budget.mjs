// What a first visit loads, in compressed bytes, by route. Fails when the list costs more than 350 KB.
import { readdirSync, readFileSync, statSync } from "node:fs";

const DIST = new URL("../dist/", import.meta.url);
const LIMIT = 350_000;

const files = readdirSync(new URL("assets/", DIST)).filter((name) => /\.(?:js|css)$/.test(name));
const html = readFileSync(new URL("index.html", DIST), "utf8");
const size = (name) => statSync(new URL(`assets/${name}.br`, DIST)).size;
const named = (prefix) => files.filter((name) => name.startsWith(`${prefix}-`));
const sum = (names) => names.reduce((total, name) => total + size(name), 0);

const first = [...html.matchAll(/\/assets\/([^"]+)/g)].map((match) => match[1]);
const language = Math.max(...["en", "ru"].map((code) => sum(named(code))));
const list = sum(first) + language + html.length;
const routes = {
  "/devices": list,
  "/devices/:id, on top": sum(named("DeviceView")),
  "the chart, once": sum(named("TimeChart")),
  "/settings, on top": sum(named("SettingsView")),
};

for (const [route, bytes] of Object.entries(routes)) console.log(`${route.padEnd(24)} ${(bytes / 1000).toFixed(1).padStart(7)} KB`);
if (list > LIMIT) {
  console.error(`The list of devices loads ${list} bytes, more than ${LIMIT}.`);
  process.exitCode = 1;
}
