// A topic's number stands for it on one connection, given out by the test or by the client itself.
// A number that was not agreed on is not sent by this client.

import assert from "node:assert/strict";
import { Peer, play } from "./peer.mjs";

await play(async (broker) => {
  const subscriber = await Peer.open(broker, "subscriber");
  await subscriber.subscribe("scene/#");
  const heard = async (topic, payload) => {
    const message = await subscriber.message();
    assert.deepEqual([message.topic, message.payload.toString()], [topic, payload]);
  };

  const publisher = await Peer.open(broker, "publisher");
  const most = publisher.connack.properties?.topicAliasMaximum ?? 0;
  assert.ok(most >= 1, "the broker takes no aliases");
  for (const qos of [0, 1, 2]) {
    for (const [topic, meant] of [
      ["scene/long/name", "scene/long/name"],
      ["", "scene/long/name"],
      ["scene/other", "scene/other"],
      ["", "scene/other"],
    ]) {
      await publisher.publish(topic, `to ${meant}`, { qos, properties: { topicAlias: 1 } });
      await heard(meant, `to ${meant}`);
    }
  }

  // A client that gives out the numbers by itself, more topics than there are numbers.
  const options = { autoAssignTopicAlias: true, autoUseTopicAlias: true };
  const clever = await Peer.open(broker, "clever", options);
  for (const round of [1, 2, 3]) {
    for (let topic = 0; topic < Math.min(most, 15) + 2; topic += 1) {
      await clever.publish(`scene/many/${topic}`, `round ${round}`);
      await heard(`scene/many/${topic}`, `round ${round}`);
    }
  }
});
