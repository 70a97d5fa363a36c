// A client that takes three messages at a time is sent three at a time.

import assert from "node:assert/strict";
import { Peer, numbers, play, said } from "./peer.mjs";

const AT_A_TIME = 3;
const ALL = 20;

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const slow = await Peer.open(broker, "slow", {
    manual: true,
    properties: { receiveMaximum: AT_A_TIME },
  });
  await slow.subscribe("scene/#");
  for (const number of numbers(ALL)) await publisher.publish("scene/post", number);
  for (let answered = 0; answered < ALL; answered += 1) {
    const wanted = Math.min(ALL, answered + AT_A_TIME);
    await slow.sees(wanted);
    // Whatever was sent to it before this answer has come.
    await slow.roundTrip();
    assert.equal(slow.seen, wanted);
    await slow.ack();
  }
  assert.deepEqual(said(await slow.take(ALL)), numbers(ALL));
});
