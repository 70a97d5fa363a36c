// Neither side is sent a packet larger than it takes.

import assert from "node:assert/strict";
import { Peer, play, said } from "./peer.mjs";

await play(async (broker) => {
  const curious = await Peer.open({ ...broker, version: 5 }, "curious");
  const most = curious.connack.properties?.maximumPacketSize;
  assert.ok(most, "the broker takes packets of any size");
  const witness = await Peer.open(broker, "witness");
  await witness.subscribe("scene/#");
  const largest = await Peer.open(broker, "largest");
  // The head, the topic, the packet id and the properties take 30 bytes at most.
  await largest.publish("scene/fits", Buffer.alloc(most - 30));
  assert.equal((await witness.message()).payload.length, most - 30);
  const tooLarge = await Peer.open(broker, "too large");
  tooLarge.send("scene/too/large", Buffer.alloc(most)).catch(() => {});
  assert.ok((witness.v5 ? [0x95, 0] : [0]).includes(await tooLarge.end()));
  await largest.publish("scene/small", "the others go on");
  assert.deepEqual(said([await witness.message()]), ["the others go on"]);

  if (witness.v5) {
    const small = await Peer.open(broker, "small", { properties: { maximumPacketSize: 1000 } });
    await small.subscribe("scene/#", 2);
    for (const qos of [0, 1, 2]) {
      await largest.publish("scene/large", Buffer.alloc(2000), { qos });
      await largest.publish("scene/small", `${qos}`, { qos });
    }
    // Messages of other promises may overtake the one of QoS 2.
    assert.deepEqual(said(await small.take(3)), ["0", "1", "2"]);
    await largest.publish("scene/end", "end");
    assert.deepEqual(await small.until("end"), []);
    assert.equal(small.seen, 4);
  }
});
