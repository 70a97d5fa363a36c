"""A shared subscription hands each message to one of its members."""

from peer import Peer, play, said, same


def scenario(broker):
    publisher = Peer(broker, "publisher")
    members = [Peer(broker, f"member {number}") for number in range(2)]
    witness = Peer(broker, "witness")
    witness.subscribe("scene/work/+")
    for number, member in enumerate(members):
        same(member.subscribe("$share/team/scene/work/+"), 1)
        member.subscribe(f"scene/end/{number}")

    def shares(first, last):
        wanted = [f"{number}" for number in range(first, last)]
        for number in wanted:
            publisher.publish(f"scene/work/{int(number) % 3}", number.encode())
        same(said(witness.message() for _ in wanted), wanted)
        got = []
        for number, member in enumerate(members):
            if member.alive:
                publisher.publish(f"scene/end/{number}", b"end")
                got.append(said(member.messages_until(b"end")))
        same(sorted(sum(got, []), key=int), wanted)
        return got

    got = shares(0, 40)
    assert all(got), f"one did it all: {got}"
    for share in got:
        same(share, sorted(share, key=int))
    members[0].unsubscribe("$share/team/scene/work/+")
    members[0].leave()
    shares(40, 60)


play(scenario)
