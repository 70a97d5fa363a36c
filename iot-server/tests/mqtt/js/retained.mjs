// A retained message is kept, replaced, handed to who comes later, and deleted by an empty one.

import assert from "node:assert/strict";
import { Peer, play, said } from "./peer.mjs";

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const live = await Peer.open(broker, "live");
  await live.subscribe("scene/#", 2);

  async function late(name) {
    const subscriber = await Peer.open(broker, name);
    await subscriber.subscribe("scene/#");
    await subscriber.publish("scene/end", "end");
    const messages = await subscriber.until("end");
    assert.ok(
      messages.every((message) => message.retain),
      "handed over as live",
    );
    await subscriber.leave();
    return said(messages).sort();
  }

  for (const qos of [0, 1, 2]) {
    await publisher.publish(`scene/${qos}`, `old ${qos}`, { qos, retain: true });
    await publisher.publish(`scene/${qos}`, `new ${qos}`, { qos, retain: true });
    for (const message of await live.take(2)) assert.equal(message.retain, false);
  }
  assert.deepEqual(await late("second"), ["new 0", "new 1", "new 2"]);
  assert.deepEqual(said([await live.message()]), ["end"]);

  await publisher.publish("scene/1", "", { retain: true });
  assert.deepEqual(said([await live.message()]), [""]);
  assert.deepEqual(await late("third"), ["new 0", "new 2"]);
});
