// mqtt.js as a scenario wants it: every call waits for the broker's answer, with a deadline.

import assert from "node:assert/strict";
import { setTimeout as passTime } from "node:timers/promises";

import mqtt from "mqtt";
import mqttPacket from "mqtt-packet";

export { passTime };

const DEADLINE = 30_000;

/** `promise`, or an error that says what was waited for. */
async function inTime(what, promise) {
  const stop = new AbortController();
  const late = passTime(DEADLINE, undefined, { signal: stop.signal }).then(
    () => assert.fail(`waited ${DEADLINE} ms for ${what}`),
    () => {},
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

/** A client on one connection. It never connects again by itself. */
export class Peer {
  #messages = [];
  #waiting = [];
  #held = [];
  #parting = 0;
  #pongs = 0;

  /** @param options those of mqtt.js; and `manual`, to answer messages by `ack` only */
  static async open({ host, port, version }, clientId, { manual = false, ...options } = {}) {
    const peer = new Peer();
    peer.v5 = version === 5;
    peer.seen = 0;
    if (!peer.v5) delete options.properties;
    if (manual) {
      options.customHandleAcks = (_topic, _payload, _packet, done) =>
        peer.#held.push(() => done(0));
    }
    const client = mqtt.connect({
      host,
      port,
      protocol: "mqtt",
      protocolVersion: version,
      clientId,
      reconnectPeriod: 0,
      ...options,
    });
    peer.client = client;
    client.on("message", (topic, payload, packet) => peer.#arrive({ ...packet, topic, payload }));
    client.on("disconnect", (packet) => (peer.#parting = packet.reasonCode));
    peer.closed = new Promise((resolve) => client.once("close", resolve));
    // The client reads packets on only when it has dealt with the one before: what has come is
    // seen beside it.
    const parser = mqttPacket.parser({ protocolVersion: version });
    parser.on("packet", (packet) => {
      if (packet.cmd === "publish") peer.seen += 1;
      if (packet.cmd === "pingresp") peer.#pongs += 1;
    });
    client.stream.on("data", (data) => parser.parse(data));
    const welcome = new Promise((resolve, reject) => {
      client.once("connect", resolve);
      client.once("error", reject);
    });
    peer.connack = await inTime("CONNACK", welcome);
    client.on("error", () => {}); // the connection's end says enough
    return peer;
  }

  get sessionPresent() {
    return this.connack.sessionPresent;
  }

  async subscribe(topic, qos = 1) {
    const [granted] = await inTime("SUBACK", this.client.subscribeAsync(topic, { qos }));
    return granted.qos;
  }

  async unsubscribe(topic) {
    await inTime("UNSUBACK", this.client.unsubscribeAsync(topic));
  }

  /** Publishes and waits until the message is the broker's. */
  async publish(topic, payload, options = {}) {
    await inTime(`the answer to a message on ${topic}`, this.send(topic, payload, options));
  }

  /** Publishes; the promise may never be kept. */
  send(topic, payload, options = {}) {
    return this.client.publishAsync(topic, payload, { qos: 1, ...options });
  }

  /** The next message. */
  async message() {
    const waiting = this.#messages.length
      ? Promise.resolve(this.#messages.shift())
      : new Promise((resolve) => this.#waiting.push(resolve));
    return inTime("a message", waiting);
  }

  /** The next so many messages. */
  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.message());
    return messages;
  }

  /** The messages up to the one that says `payload`, without it. */
  async until(payload) {
    const messages = [];
    for (;;) {
      const message = await this.message();
      if (message.payload.toString() === payload) return messages;
      messages.push(message);
    }
  }

  /** Answers the oldest message that has no answer. */
  async ack() {
    await inTime(
      "a message to answer",
      this.#until(() => this.#held.length),
    );
    this.#held.shift()();
  }

  /** Waits until so many messages have come, answered or not. */
  async sees(count) {
    await inTime(
      `${count} messages`,
      this.#until(() => this.seen >= count),
    );
  }

  /** Pings, and waits for the answer: what was sent before it has come. */
  async roundTrip() {
    const before = this.#pongs;
    this.client.sendPing();
    await inTime(
      "PINGRESP",
      this.#until(() => this.#pongs > before),
    );
  }

  /** Waits until the broker has ended the connection, and gives the reason that it said. */
  async end() {
    await inTime("the end of the connection", this.closed);
    return this.#parting;
  }

  /** Says DISCONNECT. */
  async leave(reasonCode = 0) {
    await inTime("the leave", this.client.endAsync(false, this.v5 ? { reasonCode } : {}));
  }

  /** Is gone without a word. */
  async vanish() {
    this.client.stream.destroy();
    await this.closed;
  }

  #arrive(message) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#messages.push(message);
  }

  async #until(seen) {
    while (!seen()) await passTime(2);
  }
}

/** The payloads as text. */
export const said = (messages) => messages.map((message) => message.payload.toString());

/** `0` to `count - 1` as text. */
export const numbers = (count) => Array.from({ length: count }, (_, number) => `${number}`);

/** Runs the scenario of a file: SCENARIO.mjs HOST PORT VERSION. */
export async function play(scenario) {
  const [host, port, version] = process.argv.slice(2);
  await scenario({ host, port: Number(port), version: Number(version) });
  process.exit(0); // connections that are left open would keep it
}
