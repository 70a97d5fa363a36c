"""A will is published for who is gone without a word, and for nobody else."""

from peer import Peer, play, same


def scenario(broker):
    heir = Peer(broker, "heir")
    heir.subscribe("scene/#", 2)
    for qos in range(3):
        Peer(broker, "polite", will=("scene/will", b"never", qos, False)).leave()
        Peer(broker, "rude", will=("scene/will", f"of {qos}".encode(), qos, True)).vanish()
        message = heir.message()
        same((message.payload, message.qos), (f"of {qos}".encode(), qos))
        same(message.retain, False)
    if heir.v5:
        # DISCONNECT that asks for the will.
        Peer(broker, "odd", will=("scene/will", b"asked for", 1, True)).leave(0x04)
        same(heir.message().payload, b"asked for")
    later = Peer(broker, "later")
    later.subscribe("scene/will")
    message = later.message()
    same((message.payload, message.retain), (b"asked for" if heir.v5 else b"of 2", True))


play(scenario)
