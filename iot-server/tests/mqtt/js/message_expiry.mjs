// A message that has expired is not delivered, and one that has not says how long it lasts.

import assert from "node:assert/strict";
import { Peer, passTime, play, said } from "./peer.mjs";

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const lasting = (messageExpiryInterval) => ({ properties: { messageExpiryInterval } });
  const kept = { clean: false, properties: { sessionExpiryInterval: 300 } };
  const away = await Peer.open(broker, "subscriber", kept);
  await away.subscribe("scene/#");
  await publisher.publish("scene/live", "live", lasting(100));
  assert.deepEqual(said([await away.message()]), ["live"]);
  await away.leave();

  await publisher.publish("scene/queued", "short", lasting(1));
  await publisher.publish("scene/queued", "long", lasting(100));
  await publisher.publish("scene/queued", "for ever");
  await publisher.publish("scene/kept/short", "short", { retain: true, ...lasting(1) });
  await publisher.publish("scene/kept/long", "long", { retain: true, ...lasting(100) });
  await passTime(3000);

  const back = await Peer.open(broker, "subscriber", kept);
  await publisher.publish("scene/queued", "end");
  const messages = (await back.until("end")).filter(({ topic }) => topic === "scene/queued");
  assert.deepEqual(said(messages), ["long", "for ever"]);
  const left = messages[0].properties.messageExpiryInterval;
  assert.ok(left >= 1 && left <= 98, `${left} s left of 100 after 3`);
  assert.equal(messages[1].properties?.messageExpiryInterval, undefined);

  const later = await Peer.open(broker, "later");
  await later.subscribe("scene/kept/+");
  await publisher.publish("scene/kept/end", "end");
  assert.deepEqual(said(await later.until("end")), ["long"]);
});
