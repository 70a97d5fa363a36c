// A second client with an id ends the first, and has its session.

import assert from "node:assert/strict";
import { Peer, play, said } from "./peer.mjs";

await play(async (broker) => {
  const kept = { clean: false, properties: { sessionExpiryInterval: 300 } };
  const first = await Peer.open(broker, "twin", kept);
  assert.equal(first.sessionPresent, false);
  await first.subscribe("scene/#");
  const second = await Peer.open(broker, "twin", kept);
  assert.equal(second.sessionPresent, true);
  // A broker may leave the word out, but must not say another.
  assert.ok((second.v5 ? [0x8e, 0] : [0]).includes(await first.end()));
  await second.publish("scene/one", "still subscribed");
  assert.deepEqual(said([await second.message()]), ["still subscribed"]);

  const third = await Peer.open(broker, "twin");
  await second.end();
  assert.equal(third.sessionPresent, false);
  await third.publish("scene/two", "unheard");
  await third.subscribe("scene/#");
  await third.publish("scene/three", "heard");
  assert.deepEqual(said([await third.message()]), ["heard"]);
});
