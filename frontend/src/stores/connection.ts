import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { LiveSocket, type LinkState, type SocketParts, type Wish } from "../api/socket";
import type { ServerMessage } from "../api/types";
import { useDevices } from "./devices";
import { useReadings } from "./readings";
import { useSession } from "./session";

const BANNER_AFTER = 2_000;
const HIDDEN_LIMIT = 5 * 60_000;
const SLOW_AFTER = 10_000;
const LAG_STREAK = 10_000;

type Resync = () => void;

/** The live link: its state in words for the header, and the way of each message into the other stores. */
export const useConnection = defineStore("connection", () => {
  const session = useSession();
  const devices = useDevices();
  const readings = useReadings();

  const link = ref<LinkState>("idle");
  const downSince = ref<number | null>(null);
  const banner = ref(false);
  const slow = ref(false);
  /** Values on screen are from before the loss. */
  const dated = computed(() => banner.value);
  const returns = ref(0);

  let socket = new LiveSocket({ state: onState, message: onMessage, refused: onRefused });
  let wasLive = false;
  let bannerTimer: ReturnType<typeof setTimeout> | undefined;
  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  let slowTimer: ReturnType<typeof setTimeout> | undefined;
  let lagFirst = 0;
  let lagLast = 0;
  let stateWatch: number | null = null;
  const resyncs = new Set<Resync>();

  function onState(state: LinkState): void {
    link.value = state;
    if (state === "live") {
      clearTimeout(bannerTimer);
      bannerTimer = undefined;
      if (banner.value) returns.value += 1;
      banner.value = false;
      downSince.value = null;
      if (wasLive) resync();
      wasLive = true;
      return;
    }
    if (state === "idle") return;
    downSince.value ??= Date.now();
    bannerTimer ??= setTimeout(() => {
      banner.value = true;
    }, BANNER_AFTER);
  }

  function resync(): void {
    void session.check();
    void devices.load();
    resyncs.forEach((listener) => {
      listener();
    });
  }

  function onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "snapshot":
        message.devices?.forEach(devices.put);
        if (message.readings) readings.foldAll(message.readings, false);
        break;
      case "readings":
        readings.foldAll(message.readings, true);
        break;
      case "device":
        devices.put(message.device);
        break;
      case "gone":
        devices.remove(message.device_id);
        break;
      case "lagged":
        onLagged();
        break;
      case "error":
        if (message.problem.status === 401) session.end();
        break;
      case "resumed":
      case "pong":
        break;
    }
  }

  function onLagged(): void {
    const now = Date.now();
    if (now - lagLast > LAG_STREAK) lagFirst = now;
    lagLast = now;
    slow.value = now - lagFirst >= SLOW_AFTER;
    clearTimeout(slowTimer);
    slowTimer = setTimeout(() => {
      slow.value = false;
    }, LAG_STREAK);
    resyncs.forEach((listener) => {
      listener();
    });
  }

  function onRefused(): void {
    void session.check();
  }

  function start(): void {
    stateWatch ??= socket.subscribe({ devices: ["*"], readings: false });
    socket.start();
  }

  /** The session has ended: no more tries, but what is subscribed is kept for when it goes on. */
  function pause(): void {
    socket.stop();
    clearTimeout(bannerTimer);
    bannerTimer = undefined;
    downSince.value ??= link.value === "idle" && !wasLive ? null : Date.now();
    banner.value = wasLive;
  }

  function stop(): void {
    socket.reset();
    stateWatch = null;
    wasLive = false;
    clearTimeout(bannerTimer);
    bannerTimer = undefined;
    banner.value = false;
    slow.value = false;
    downSince.value = null;
  }

  /** Closes the link after five minutes in the background, and comes back at once when looked at. */
  function onVisibility(hidden: boolean): void {
    clearTimeout(hiddenTimer);
    if (session.state !== "signed-in") return;
    if (hidden) {
      hiddenTimer = setTimeout(() => {
        socket.stop();
      }, HIDDEN_LIMIT);
      return;
    }
    readings.flush();
    if (link.value === "idle") socket.start();
    else socket.hurry();
  }

  function hurry(): void {
    socket.hurry();
  }

  function probe(): void {
    socket.probe();
  }

  function subscribe(wish: Wish): number {
    return socket.subscribe(wish);
  }

  function unsubscribe(id: number): void {
    socket.unsubscribe(id);
  }

  /** Calls back when what a chart holds may have holes: after a return of the link, or after `lagged`. */
  function onResync(listener: Resync): () => void {
    resyncs.add(listener);
    return () => resyncs.delete(listener);
  }

  /** For tests: the same store over another kind of socket. */
  function rebuild(parts: SocketParts): void {
    socket.reset();
    socket = new LiveSocket({ state: onState, message: onMessage, refused: onRefused }, parts);
    stateWatch = null;
  }

  return {
    link, downSince, banner, slow, dated, returns,
    start, pause, stop, onVisibility, hurry, probe, subscribe, unsubscribe, onResync, rebuild,
  };
});
