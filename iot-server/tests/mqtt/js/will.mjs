// A will is published for who is gone without a word, and for nobody else.

import assert from "node:assert/strict";
import { Peer, play } from "./peer.mjs";

await play(async (broker) => {
  const heir = await Peer.open(broker, "heir");
  await heir.subscribe("scene/#", 2);
  const will = (payload, qos, retain) => ({ will: { topic: "scene/will", payload, qos, retain } });
  for (const qos of [0, 1, 2]) {
    await (await Peer.open(broker, "polite", will("never", qos, false))).leave();
    await (await Peer.open(broker, "rude", will(`of ${qos}`, qos, true))).vanish();
    const message = await heir.message();
    assert.deepEqual([message.payload.toString(), message.qos], [`of ${qos}`, qos]);
    assert.equal(message.retain, false);
  }
  if (heir.v5) {
    // DISCONNECT that asks for the will.
    await (await Peer.open(broker, "odd", will("asked for", 1, true))).leave(0x04);
    assert.equal((await heir.message()).payload.toString(), "asked for");
  }
  const later = await Peer.open(broker, "later");
  await later.subscribe("scene/will");
  const message = await later.message();
  assert.equal(message.payload.toString(), heir.v5 ? "asked for" : "of 2");
  assert.equal(message.retain, true);
});
