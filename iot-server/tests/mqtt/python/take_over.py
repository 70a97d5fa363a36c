"""A second client with an id ends the first, and has its session."""

from peer import Peer, play, same


def scenario(broker):
    first = Peer(broker, "twin", clean=False, expiry=300)
    same(first.session_present, False)
    first.subscribe("scene/#")
    second = Peer(broker, "twin", clean=False, expiry=300)
    same(second.session_present, True)
    reason = first.end()
    # A broker may leave the word out, but must not say another.
    assert reason in ((0x8E, 0) if second.v5 else (0,)), f"reason {reason:#x}"
    second.publish("scene/one", b"still subscribed")
    same(second.message().payload, b"still subscribed")

    third = Peer(broker, "twin")
    second.end()
    same(third.session_present, False)
    third.publish("scene/two", b"unheard")
    third.subscribe("scene/#")
    third.publish("scene/three", b"heard")
    same(third.message().payload, b"heard")


play(scenario)
