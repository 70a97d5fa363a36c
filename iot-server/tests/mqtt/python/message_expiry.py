"""A message that has expired is not delivered, and one that has not says how long it lasts."""

from peer import Peer, pass_time, play, said, same


def scenario(broker):
    publisher = Peer(broker, "publisher")
    subscriber = Peer(broker, "subscriber", clean=False, expiry=300)
    subscriber.subscribe("scene/#")
    publisher.publish("scene/live", b"live", MessageExpiryInterval=100)
    same(subscriber.message().payload, b"live")
    subscriber.leave()

    publisher.publish("scene/queued", b"short", MessageExpiryInterval=1)
    publisher.publish("scene/queued", b"long", MessageExpiryInterval=100)
    publisher.publish("scene/queued", b"for ever")
    publisher.publish("scene/kept/short", b"short", retain=True, MessageExpiryInterval=1)
    publisher.publish("scene/kept/long", b"long", retain=True, MessageExpiryInterval=100)
    pass_time(3)

    subscriber = Peer(broker, "subscriber", clean=False, expiry=300)
    publisher.publish("scene/queued", b"end")
    messages = [m for m in subscriber.messages_until(b"end") if m.topic == "scene/queued"]
    same(said(messages), ["long", "for ever"])
    left = messages[0].properties.MessageExpiryInterval
    assert 1 <= left <= 98, f"{left} s left of 100 after 3"
    assert not hasattr(messages[1].properties, "MessageExpiryInterval")

    later = Peer(broker, "later")
    later.subscribe("scene/kept/+")
    publisher.publish("scene/kept/end", b"end")
    same(said(later.messages_until(b"end")), ["long"])


play(scenario)
