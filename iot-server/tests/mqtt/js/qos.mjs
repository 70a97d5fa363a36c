// Each promise of a publisher meets each of a subscriber: the lower one holds.

import assert from "node:assert/strict";
import { Peer, play } from "./peer.mjs";

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const subscriber = await Peer.open(broker, "subscriber");
  for (const wanted of [0, 1, 2]) {
    assert.equal(await subscriber.subscribe(`scene/${wanted}/+`, wanted), wanted);
  }
  const payloads = [Buffer.alloc(0), Buffer.from("text"), Buffer.alloc(50_000, "größe")];
  for (const sent of [0, 1, 2]) {
    for (const wanted of [0, 1, 2]) {
      for (const payload of payloads) {
        await publisher.publish(`scene/${wanted}/größe`, payload, { qos: sent });
        const message = await subscriber.message();
        assert.equal(message.topic, `scene/${wanted}/größe`);
        assert.equal(message.qos, Math.min(sent, wanted));
        assert.ok(message.payload.equals(payload));
        assert.deepEqual([message.retain, message.dup], [false, false]);
      }
    }
  }
  await subscriber.unsubscribe("scene/1/+");
  await publisher.publish("scene/1/a", "unheard");
  await publisher.publish("scene/2/a", "last");
  assert.equal((await subscriber.message()).payload.toString(), "last");
});
