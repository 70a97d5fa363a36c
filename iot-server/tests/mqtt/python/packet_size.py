"""Neither side is sent a packet larger than it takes."""

from peer import Peer, play, said, same


def scenario(broker):
    host, port, version = broker
    most = Peer((host, port, 5), "curious").connack.get("MaximumPacketSize")
    assert most is not None, "the broker takes packets of any size"
    witness = Peer(broker, "witness")
    witness.subscribe("scene/#")
    largest = Peer(broker, "largest")
    # The head, the topic, the packet id and the properties take 30 bytes at most.
    largest.publish("scene/fits", bytes(most - 30))
    same(len(witness.message().payload), most - 30)
    too_large = Peer(broker, "too large")
    too_large.send("scene/too/large", bytes(most))
    reason = too_large.end()
    assert reason in ((0x95, 0) if version == 5 else (0,)), f"reason {reason:#x}"
    largest.publish("scene/small", b"the others go on")
    same(witness.message().payload, b"the others go on")

    if version == 5:
        small = Peer(broker, "small", MaximumPacketSize=1000)
        small.subscribe("scene/#", 2)
        for qos in range(3):
            largest.publish("scene/large", bytes(2000), qos)
            largest.publish("scene/small", f"{qos}".encode(), qos)
        # Messages of other promises may overtake the one of QoS 2.
        same(said(small.message() for _ in range(3)), ["0", "1", "2"])
        largest.publish("scene/end", b"end")
        same(small.messages_until(b"end"), [])


play(scenario)
