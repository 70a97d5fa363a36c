"""A session keeps what comes while its client is away, for as long as was agreed."""

from peer import Peer, pass_time, play, said, same


def scenario(broker):
    publisher = Peer(broker, "publisher")

    def come(clean=False, expiry=300):
        return Peer(broker, "traveller", clean=clean, expiry=expiry)

    traveller = come()
    same(traveller.session_present, False)
    traveller.subscribe("scene/#", 2)
    for leave in (traveller.leave, lambda: traveller.vanish()):
        leave()
        for number in range(20):
            publisher.publish("scene/post", f"{number}".encode(), 1 + number % 2)
        traveller = come()
        same(traveller.session_present, True)
        messages = [traveller.message() for _ in range(20)]
        for qos in (1, 2):
            # Only messages of one promise come in order.
            wanted = [f"{number}" for number in range(qos - 1, 20, 2)]
            same(said(message for message in messages if message.qos == qos), wanted)
        publisher.publish("scene/post", b"end")
        same(traveller.messages_until(b"end"), [])
    traveller.leave()

    publisher.publish("scene/post", b"never read")
    traveller = come(clean=True)
    same(traveller.session_present, False)
    traveller.subscribe("scene/#")
    publisher.publish("scene/post", b"end")
    same(traveller.messages_until(b"end"), [])
    traveller.leave()

    if publisher.v5:
        # No expiry: the session ends with the connection.
        come(expiry=0).leave()
        same(come(expiry=0).session_present, False)
    traveller = come(expiry=1)
    traveller.subscribe("scene/#")
    traveller.leave()
    if publisher.v5:
        publisher.publish("scene/post", b"too late")
        pass_time(4)
        same(come().session_present, False)


play(scenario)
