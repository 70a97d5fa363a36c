"""A retained message is kept, replaced, handed to who comes later, and deleted by an empty one."""

from peer import Peer, play, said, same


def late(broker, name):
    """What a subscriber that comes now is handed."""
    subscriber = Peer(broker, name)
    subscriber.subscribe("scene/#")
    subscriber.publish("scene/end", b"end", 1)
    messages = subscriber.messages_until(b"end")
    assert all(message.retain for message in messages), "handed over as live"
    subscriber.leave()
    return sorted(said(messages))


def scenario(broker):
    publisher, live = Peer(broker, "publisher"), Peer(broker, "live")
    live.subscribe("scene/#", 2)
    for qos in range(3):
        publisher.publish(f"scene/{qos}", f"old {qos}".encode(), qos, retain=True)
        publisher.publish(f"scene/{qos}", f"new {qos}".encode(), qos, retain=True)
        same([live.message().retain, live.message().retain], [False, False])
    publisher.publish("scene/3", b"passing")
    same(live.message().payload, b"passing")
    same(late(broker, "second"), ["new 0", "new 1", "new 2"])
    same(live.message().payload, b"end")

    publisher.publish("scene/1", b"", retain=True)
    message = live.message()
    same((message.topic, message.payload), ("scene/1", b""))
    same(late(broker, "third"), ["new 0", "new 2"])


play(scenario)
