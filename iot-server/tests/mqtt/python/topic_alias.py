"""A topic's number stands for it on one connection; one that was not agreed on ends it."""

from peer import Peer, play, same


def scenario(broker):
    subscriber = Peer(broker, "subscriber")
    subscriber.subscribe("scene/#")
    publisher = Peer(broker, "publisher")
    most = publisher.connack.get("TopicAliasMaximum", 0)
    assert most >= 1, "the broker takes no aliases"

    def heard(topic, payload):
        message = subscriber.message()
        same((message.topic, message.payload), (topic, payload))

    for qos in range(3):
        publisher.publish("scene/long/name", b"named", qos, TopicAlias=1)
        heard("scene/long/name", b"named")
        publisher.publish("", b"numbered", qos, TopicAlias=1)
        heard("scene/long/name", b"numbered")
        publisher.publish("scene/other", b"renumbered", qos, TopicAlias=1)
        heard("scene/other", b"renumbered")
        publisher.publish("", b"again", qos, TopicAlias=1)
        heard("scene/other", b"again")
    publisher.publish("scene/last", b"the last number", TopicAlias=most)
    heard("scene/last", b"the last number")

    stranger = Peer(broker, "stranger")
    stranger.send("", b"a number of another connection", TopicAlias=1)
    ended(stranger)
    if most < 65535:
        greedy = Peer(broker, "greedy")
        greedy.send("scene/too/many", b"", TopicAlias=most + 1)
        ended(greedy)
    publisher.publish("scene/end", b"end")
    same(subscriber.messages_until(b"end"), [])


def ended(peer):
    reason = peer.end()
    # A broker may leave the word out.
    assert reason in (0x82, 0x94, 0), f"reason {reason:#x}"


play(scenario)
