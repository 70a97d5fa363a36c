// A shared subscription hands each message to one of its members.

import assert from "node:assert/strict";
import { Peer, numbers, play, said } from "./peer.mjs";

await play(async (broker) => {
  const publisher = await Peer.open(broker, "publisher");
  const witness = await Peer.open(broker, "witness");
  await witness.subscribe("scene/work/+");
  const members = [];
  for (const number of [0, 1]) {
    const member = await Peer.open(broker, `member ${number}`);
    assert.equal(await member.subscribe("$share/team/scene/work/+"), 1);
    await member.subscribe(`scene/end/${number}`);
    members.push(member);
  }

  async function shares(wanted) {
    for (const number of wanted) await publisher.publish(`scene/work/${number % 3}`, number);
    assert.deepEqual(said(await witness.take(wanted.length)), wanted);
    const got = [];
    for (const [number, member] of members.entries()) {
      await publisher.publish(`scene/end/${number}`, "end");
      got.push(said(await member.until("end")));
    }
    assert.deepEqual(
      got.flat().sort((a, b) => a - b),
      wanted,
    );
    return got;
  }

  const got = await shares(numbers(40));
  assert.ok(
    got.every((share) => share.length > 0),
    "one did it all",
  );
  await members[0].unsubscribe("$share/team/scene/work/+");
  const [none, all] = await shares(numbers(20));
  assert.deepEqual([none.length, all.length], [0, 20]);
});
