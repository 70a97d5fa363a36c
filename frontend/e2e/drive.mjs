// Drives the page of a running server through its first use, the way a person would, and leaves screenshots.
//   npm run drive -- --url http://127.0.0.1:8080 --link 'http://127.0.0.1:8080/#token=…' --out shots [--restart-file PATH]
// With --restart-file the word "ready" is written there once a device is live; the caller restarts the server
// and writes "restarted", and the page must come back by itself.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const SIZES = { 390: { width: 390, height: 844 }, 1440: { width: 1440, height: 900 } };
const FETCHED_AHEAD = /\/(?:TimeChart|DeviceView)-/;
const WAIT = 20_000;
const RESTART_WAIT = 90_000;

const { values: options } = parseArgs({
  options: { url: { type: "string" }, link: { type: "string" }, out: { type: "string" }, "restart-file": { type: "string" } },
});

class Failure extends Error {}

function must(condition, sentence) {
  if (!condition) throw new Failure(sentence);
}

async function eventually(what, probe, within = WAIT) {
  const end = Date.now() + within;
  for (;;) {
    if (await probe()) return;
    must(Date.now() < end, `${what} (waited ${within / 1000} s).`);
    await sleep(200);
  }
}

async function openPage(browser, { width, language, theme, storageState }) {
  const phone = width < 600;
  const context = await browser.newContext({
    viewport: SIZES[width],
    locale: language === "ru" ? "ru-RU" : "en-GB",
    colorScheme: theme,
    isMobile: phone,
    hasTouch: phone,
    storageState,
  });
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(`${message.text()} (${message.location().url})`));
  page.on("pageerror", (error) => troubles.push(String(error)));
  return { context, page, troubles, name: `${width}-${language}-${theme}` };
}

const texts = (page, selector) => page.locator(selector).allInnerTexts();
const joined = async (page, selector) => (await texts(page, selector)).join(" | ");

async function moves(page, selector, what) {
  const before = await joined(page, selector);
  await eventually(`${what} did not change, they stayed “${before.slice(0, 120)}”`, async () => (await joined(page, selector)) !== before);
}

async function noSidewaysScroll(page, where) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  must(inner <= outer, `${where} scrolls sideways: ${inner} px of content in ${outer} px.`);
}

async function seeList(page, name) {
  await page.locator('[data-device="host"]').waitFor({ timeout: WAIT }).catch(() => must(false, `${name}: the list shows no device “host”.`));
  await eventually(`${name}: the header does not say that the link is live`, async () =>
    (await page.locator("[data-connection]").getAttribute("data-state")) === "live");
  await eventually(`${name}: the device “host” shows no value`, async () => /\d/.test(await joined(page, '[data-device="host"] [data-value]')));
}

async function seeDevice(page, name) {
  await page.locator("[data-chart]").waitFor({ timeout: WAIT }).catch(() => must(false, `${name}: the device shows no chart.`));
  await eventually(`${name}: the chart's history did not come`, async () =>
    (await page.locator("[data-chart]").getAttribute("data-loaded")) === "true");
  await page.locator("[data-chart] canvas").waitFor({ timeout: WAIT }).catch(() => must(false, `${name}: the chart is not drawn.`));
  const newest = async () => Number(await page.locator("[data-chart]").getAttribute("data-newest"));
  const before = await newest();
  await eventually(`${name}: no new reading came into the chart`, async () => (await newest()) > before);
}

async function restart(page, name, file) {
  await page.evaluate(() => (window.driveMark = "not reloaded"));
  await writeFile(file, "ready");
  let sawBanner = false;
  await eventually("The caller did not write “restarted”", async () => {
    sawBanner ||= (await page.locator("[data-banner]").count()) > 0;
    return (await readFile(file, "utf8")).trim() === "restarted";
  }, RESTART_WAIT);
  await eventually(`${name}: the page did not come back by itself after the restart`, async () =>
    (await page.locator("[data-connection]").getAttribute("data-state")) === "live" && (await page.locator("[data-banner]").count()) === 0, RESTART_WAIT);
  must((await page.evaluate(() => window.driveMark)) === "not reloaded", `${name}: the page was reloaded.`);
  await moves(page, "[data-sensor] [data-value]", `${name}: after the restart the values of the device`);
  await seeDevice(page, `${name}, after the restart`);
  console.log(`after a restart the page came back by itself (banner ${sawBanner ? "seen" : "not needed: back within two seconds"})`);
}

async function firstVisit(browser) {
  const visit = await openPage(browser, { width: 390, language: "en", theme: "light" });
  const { page, context } = visit;
  const loads = await measured(context, page);
  await page.goto(options.link);
  await seeList(page, "First visit");
  const address = page.url();
  must(!address.includes("#") && !address.includes("token"), `The token stayed in the address: ${address}`);
  const build = await page.getAttribute('meta[name="iot-build"]', "content");
  must(build !== null && build !== "__IOT_BUILD__", "The server did not put its build id into the page.");
  const { needed, ahead } = { needed: loads.needed(), ahead: loads.ahead() };
  console.log(`first load: ${needed.count} requests, ${needed.kib} KiB over the wire until the list was live; meanwhile fetched ahead: ${ahead.count} requests, ${ahead.kib} KiB`);
  await moves(page, '[data-device="host"] [data-value]', "The values of “host” in the list");
  const stored = await context.storageState();
  must(!JSON.stringify(stored.origins).includes(new URL(options.link).hash.slice(7)), "The token was kept in the browser's storage.");
  must(visit.troubles.length === 0, `First visit: the console has errors: ${visit.troubles.join("; ")}`);
  await context.close();
  return stored;
}

async function measured(context, page) {
  const session = await context.newCDPSession(page);
  const requests = new Map();
  await session.send("Network.enable");
  session.on("Network.requestWillBeSent", (event) => requests.set(event.requestId, { url: event.request.url, bytes: 0 }));
  session.on("Network.loadingFinished", (event) => (requests.get(event.requestId).bytes = event.encodedDataLength));
  const sum = (ahead) => {
    const chosen = [...requests.values()].filter(({ url }) => FETCHED_AHEAD.test(url) === ahead);
    return { count: chosen.length, kib: (chosen.reduce((total, { bytes }) => total + bytes, 0) / 1024).toFixed(1) };
  };
  return { needed: () => sum(false), ahead: () => sum(true) };
}

async function visit(browser, storageState, look) {
  const { page, context, troubles, name } = await openPage(browser, { ...look, storageState });
  const shot = async (view) => {
    if (look.width > 600) await page.mouse.move(0, 0);
    await page.screenshot({ path: join(options.out, `${view}-${name}.png`) });
  };
  await page.goto(new URL("/devices", options.url).href);
  await seeList(page, `Devices at ${name}`);
  must((await page.getAttribute("html", "lang")) === look.language, `Devices at ${name}: the page does not speak ${look.language}.`);
  await shot("devices");
  await noSidewaysScroll(page, `Devices at ${name}`);

  await page.locator('[data-device="host"] a').first().click();
  await seeDevice(page, `Device at ${name}`);
  await moves(page, "[data-sensor] [data-value]", `Device at ${name}: the values of the sensors`);
  await noSidewaysScroll(page, `Device at ${name}`);
  await shot("device");
  must(troubles.length === 0, `${name}: the console has errors: ${troubles.join("; ")}`);
  if (look.restartFile) await restart(page, name, look.restartFile);

  await page.goto(new URL("/settings", options.url).href);
  await page.locator("h1").waitFor();
  await shot("settings");
  await noSidewaysScroll(page, `Settings at ${name}`);
  await context.close();
}

async function usedLink(browser) {
  const { page, context } = await openPage(browser, { width: 1440, language: "ru", theme: "light" });
  await page.goto(options.link);
  await eventually("An old link does not say how to get another", async () => /iot-server token link/.test(await page.innerText("body")));
  must(!page.url().includes("token="), "An old link's token stayed in the address.");
  await page.screenshot({ path: join(options.out, "old-link-1440-ru-light.png") });
  await context.close();
}

async function main() {
  for (const name of ["url", "link", "out"]) must(options[name], `--${name} is missing.`);
  await mkdir(options.out, { recursive: true });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  try {
    const stored = await firstVisit(browser);
    const looks = [390, 1440].flatMap((width) => ["en", "ru"].flatMap((language) => ["light", "dark"].map((theme) => ({ width, language, theme }))));
    for (const look of looks) await visit(browser, stored, look);
    await usedLink(browser);
    const file = options["restart-file"];
    if (file) await visit(browser, stored, { width: 1440, language: "en", theme: "light", restartFile: file });
  } finally {
    await browser.close();
  }
  console.log(`all is as it should be; screenshots are in ${options.out}`);
}

main().catch((error) => {
  console.error(error instanceof Failure ? error.message : error);
  process.exitCode = 1;
});
