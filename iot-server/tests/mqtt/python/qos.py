"""Each promise of a publisher meets each of a subscriber: the lower one holds."""

from peer import Peer, play, same


def scenario(broker):
    publisher, subscriber = Peer(broker, "publisher"), Peer(broker, "subscriber")
    for wanted in range(3):
        same(subscriber.subscribe(f"scene/{wanted}/+", wanted), wanted)
    payloads = [b"", b"text", bytes(range(256)) * 200]
    for sent in range(3):
        for wanted in range(3):
            for payload in payloads:
                publisher.publish(f"scene/{wanted}/größe", payload, sent)
                message = subscriber.message()
                same(message.topic, f"scene/{wanted}/größe")
                same((message.payload == payload, message.qos), (True, min(sent, wanted)))
                same((message.retain, message.dup), (False, False))
    subscriber.unsubscribe("scene/1/+")
    publisher.publish("scene/1/a", b"unheard")
    publisher.publish("scene/2/a", b"last")
    same(subscriber.message().payload, b"last")


play(scenario)
