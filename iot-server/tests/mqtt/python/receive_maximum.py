"""A client that takes three messages at a time is sent three at a time."""

from peer import Peer, play, said, same

AT_A_TIME = 3
ALL = 20


def scenario(broker):
    publisher = Peer(broker, "publisher")
    assert publisher.connack.get("ReceiveMaximum", 65535) >= 1
    slow = Peer(broker, "slow", manual=True, ReceiveMaximum=AT_A_TIME)
    slow.subscribe("scene/#")
    for number in range(ALL):
        publisher.publish("scene/post", f"{number}".encode())
    got = []
    for answered in range(ALL):
        wanted = min(ALL, answered + AT_A_TIME)
        while len(got) < wanted:
            got.append(slow.message())
        # Whatever was sent to it before this answer has come.
        slow.publish("elsewhere", b"a round trip")
        got += slow.messages_now()
        same(len(got), wanted)
        slow.ack(got[answered])
    same(said(got), [f"{number}" for number in range(ALL)])


play(scenario)
