// A session keeps what comes while its client is away, for as long as was agreed.

import assert from "node:assert/strict";
import { Peer, numbers, passTime, play, said } from "./peer.mjs";

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const come = (sessionExpiryInterval, clean = false) =>
    Peer.open(broker, "traveller", { clean, properties: { sessionExpiryInterval } });

  let traveller = await come(300);
  assert.equal(traveller.sessionPresent, false);
  await traveller.subscribe("scene/#", 2);
  for (const gone of ["leave", "vanish"]) {
    await traveller[gone]();
    for (const number of numbers(20)) {
      await publisher.publish("scene/post", number, { qos: 1 + (Number(number) % 2) });
    }
    traveller = await come(300);
    assert.equal(traveller.sessionPresent, true);
    const messages = await traveller.take(20);
    for (const qos of [1, 2]) {
      // Only messages of one promise come in order.
      const got = said(messages.filter((message) => message.qos === qos));
      assert.deepEqual(
        got,
        numbers(20).filter((number) => 1 + (number % 2) === qos),
      );
    }
    await publisher.publish("scene/post", "end");
    assert.deepEqual(await traveller.until("end"), []);
  }
  await traveller.leave();

  await publisher.publish("scene/post", "never read");
  traveller = await come(300, true);
  assert.equal(traveller.sessionPresent, false);
  await traveller.subscribe("scene/#");
  await publisher.publish("scene/post", "end");
  assert.deepEqual(await traveller.until("end"), []);
  await traveller.leave();

  if (publisher.v5) {
    // No expiry: the session ends with the connection.
    await (await come(0)).leave();
    traveller = await come(1);
    assert.equal(traveller.sessionPresent, false);
    await traveller.subscribe("scene/#");
    await traveller.leave();
    await publisher.publish("scene/post", "too late");
    await passTime(4000);
    assert.equal((await come(300)).sessionPresent, false);
  }
});
