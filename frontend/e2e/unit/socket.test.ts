import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { useConnection } from "../../src/stores/connection";
import { useDevices } from "../../src/stores/devices";
import { useReadings } from "../../src/stores/readings";
import { useSession } from "../../src/stores/session";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;

  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.readyState = 3;
  }
  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  breaks(): void {
    this.readyState = 3;
    this.onclose?.();
  }
}

const newest = (): FakeSocket => FakeSocket.all.at(-1) ?? new FakeSocket();
const session = { principal: { name: "owner", role: "admin" }, gateway: { id: "g", name: "Attic", time_zone: "UTC", language: "en" }, build: "1" };
const sensor = (key: string, value: number, ts: number) => ({ sensor_id: `host.${key}`, key, type: "number", latest: { ts, value } });
const host = { device_id: "host", state: "online", sensors: [sensor("cpu", 5, 1_000)] };

let answers: Record<string, () => Response>;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  setActivePinia(createPinia());
  answers = {
    "/api/v1/session": () => Response.json(session),
    "/api/v1/devices": () => Response.json({ items: [host], next: null }),
  };
  vi.stubGlobal("fetch", vi.fn((path: string) => Promise.resolve(answers[path.split("?")[0] ?? ""]?.() ?? new Response(null, { status: 404 }))));
});

afterEach(() => {
  useConnection().stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function live() {
  await useSession().start(null);
  const connection = useConnection();
  connection.rebuild({ open: () => new FakeSocket() as unknown as WebSocket, random: () => 0.5 });
  connection.start();
  connection.subscribe({ devices: ["host"] });
  newest().opens();
  newest().says({ type: "snapshot", id: 2, at: "p1", devices: [host], readings: [{ device_id: "host", key: "cpu", ts: 2_000, value: 6 }] });
  return connection;
}

describe("the live link", () => {
  it("subscribes when it opens, and takes the snapshot in", async () => {
    const connection = await live();
    expect(connection.link).toBe("live");
    expect(newest().sent).toEqual([
      { type: "subscribe", id: 1, devices: ["*"], readings: false },
      { type: "subscribe", id: 2, devices: ["host"] },
    ]);
    expect(useDevices().byId.get("host")?.state).toBe("online");
    expect(useReadings().get("host.cpu")).toMatchObject({ ts: 2_000, value: 6 });
  });

  it("comes back by itself and asks since the last position", async () => {
    const connection = await live();
    newest().says({ type: "readings", at: "p7", readings: [{ device_id: "host", key: "cpu", ts: 3_000, value: 7 }] });
    newest().breaks();
    expect(connection.link).toBe("lost");
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeSocket.all).toHaveLength(2);
    newest().opens();
    expect(connection.link).toBe("live");
    expect(newest().sent.map((message) => message["since"])).toEqual(["p7", "p7"]);
    newest().says({ type: "resumed", id: 2 });
    newest().says({ type: "readings", at: "p8", readings: [{ device_id: "host", key: "cpu", ts: 4_000, value: 8 }] });
    expect(useReadings().get("host.cpu")).toMatchObject({ ts: 4_000, value: 8 });
  });

  it("shows the banner after two seconds only, and takes it away on return", async () => {
    const connection = await live();
    newest().breaks();
    await vi.advanceTimersByTimeAsync(1_900);
    expect(connection.banner).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(connection.banner).toBe(true);
    expect(connection.dated).toBe(true);
    newest().opens();
    expect(connection.banner).toBe(false);
    expect(connection.downSince).toBeNull();
  });

  it("waits longer after each failure, at most 15 s", async () => {
    await live();
    newest().breaks();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = FakeSocket.all.length;
      const start = Date.now();
      while (FakeSocket.all.length === before) await vi.advanceTimersByTimeAsync(100);
      waits.push(Date.now() - start);
      newest().breaks();
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  it("calls a link lost that is silent for 25 s, though it pinged", async () => {
    const connection = await live();
    await vi.advanceTimersByTimeAsync(24_000);
    expect(connection.link).toBe("live");
    expect(newest().sent.at(-1)).toEqual({ type: "ping" });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(connection.link).toBe("lost");
  });

  it("gives up on a connection that does not open, and tries another", async () => {
    const connection = await live();
    newest().breaks();
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeSocket.all).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(FakeSocket.all.length).toBeGreaterThan(2);
    newest().opens();
    expect(connection.link).toBe("live");
  });

  it("asks for a sign of life after a sleep, and waits 3 s for it", async () => {
    const connection = await live();
    connection.probe();
    await vi.advanceTimersByTimeAsync(2_900);
    expect(connection.link).toBe("live");
    await vi.advanceTimersByTimeAsync(200);
    expect(connection.link).toBe("lost");
  });

  it("has charts read again after a return and after lagging, and says slow when it goes on", async () => {
    const connection = await live();
    const resync = vi.fn();
    connection.onResync(resync);
    newest().says({ type: "lagged", missed: 10 });
    expect(resync).toHaveBeenCalledTimes(1);
    expect(connection.slow).toBe(false);
    for (let i = 0; i < 3; i++) {
      await vi.advanceTimersByTimeAsync(5_000);
      newest().says({ type: "lagged", missed: 10 });
    }
    expect(connection.slow).toBe(true);
    newest().says({ type: "readings", readings: [{ device_id: "host", key: "cpu", ts: 9_000, value: 9 }] });
    expect(useReadings().get("host.cpu")?.value).toBe(9);
    await vi.advanceTimersByTimeAsync(10_500);
    expect(connection.slow).toBe(false);
    const calls = resync.mock.calls.length;
    newest().breaks();
    await vi.advanceTimersByTimeAsync(600);
    newest().opens();
    expect(resync).toHaveBeenCalledTimes(calls + 1);
  });

  it("reads the list again after a return: what went while away is gone", async () => {
    await live();
    answers["/api/v1/devices"] = () => Response.json({ items: [], next: null });
    newest().breaks();
    await vi.advanceTimersByTimeAsync(600);
    newest().opens();
    await vi.advanceTimersByTimeAsync(50);
    expect(useDevices().list).toEqual([]);
  });

  it("a session that ended while away is its own state, not empty data", async () => {
    await live();
    answers["/api/v1/session"] = () => new Response(null, { status: 401 });
    newest().breaks();
    await vi.advanceTimersByTimeAsync(600);
    newest().breaks();
    await vi.advanceTimersByTimeAsync(50);
    expect(useSession().state).toBe("ended");
    expect(useDevices().list).toHaveLength(1);
  });

  it("notices a new server behind an old page", async () => {
    await live();
    answers["/api/v1/session"] = () => Response.json({ ...session, build: "2" });
    newest().breaks();
    await vi.advanceTimersByTimeAsync(600);
    newest().opens();
    await vi.advanceTimersByTimeAsync(50);
    expect(useSession().updated).toBe(true);
  });

  it("never puts an older reading over a newer one", async () => {
    await live();
    newest().says({ type: "readings", at: "p9", readings: [{ device_id: "host", key: "cpu", ts: 1_500, value: 1 }] });
    expect(useReadings().get("host.cpu")?.value).toBe(6);
  });

  it("gives a chart each reading once, whatever repeats it, and late ones too", async () => {
    await live();
    const heard: number[] = [];
    useReadings().tap("host.cpu", (reading) => heard.push(reading.ts));
    const say = (ts: number) => newest().says({ type: "readings", at: "p", readings: [{ device_id: "host", key: "cpu", ts, value: 1 }] });
    say(3_000);
    newest().says({ type: "device", device: { ...host, sensors: [sensor("cpu", 1, 3_000)] } });
    newest().says({ type: "snapshot", id: 9, at: "p", devices: [host], readings: [{ device_id: "host", key: "cpu", ts: 2_500, value: 1 }] });
    say(3_000);
    say(2_700);
    newest().says({ type: "device", device: { ...host, sensors: [sensor("cpu", 1, 4_000)] } });
    expect(heard).toEqual([3_000, 2_700, 4_000]);
  });

  it("keeps a device's sensors when a change comes without them, and forgets a device that is gone", async () => {
    await live();
    newest().says({ type: "device", device: { device_id: "host", state: "stale" } });
    expect(useDevices().byId.get("host")).toMatchObject({ state: "stale", sensors: [{ key: "cpu" }] });
    newest().says({ type: "gone", device_id: "host" });
    expect(useDevices().list).toEqual([]);
  });
});

describe("signing in", () => {
  it("by the link, once", async () => {
    await useSession().start("one-time");
    expect(useSession().state).toBe("signed-in");
    expect(vi.mocked(fetch).mock.calls.map(([path, init]) => [path, init?.method])).toEqual([["/api/v1/session", "POST"]]);
  });

  it("asks again when the gateway does not answer, and does not lose the link", async () => {
    let down = true;
    vi.stubGlobal("fetch", () => (down ? Promise.reject(new TypeError("refused")) : Promise.resolve(Response.json(session))));
    const started = useSession().start("one-time");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(useSession().failure).toBe("no-answer");
    expect(useSession().state).toBe("starting");
    down = false;
    await vi.advanceTimersByTimeAsync(1_500);
    await started;
    expect(useSession().state).toBe("signed-in");
    expect(useSession().failure).toBeNull();
  });

  it("an old link with a good cookie just goes on; without one it says what the link is", async () => {
    const calls: string[] = [];
    let cookie = true;
    vi.stubGlobal("fetch", (_path: string, init: RequestInit) => {
      calls.push(String(init.method));
      return Promise.resolve(init.method === "GET" && cookie ? Response.json(session) : new Response(null, { status: 401 }));
    });
    await useSession().start("old");
    expect(useSession().state).toBe("signed-in");
    cookie = false;
    setActivePinia(createPinia());
    await useSession().start("old");
    expect(useSession().state).toBe("signed-out");
    expect(useSession().failure).toBe("link-used");
    expect(calls).toEqual(["POST", "GET", "POST", "GET"]);
  });
});
