"""paho as a scenario wants it: every call waits for the broker's answer, with a deadline."""

import queue
import socket
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

DEADLINE = 30


class Peer:
    """A client on one connection. It never connects again by itself."""

    def __init__(self, broker, client_id, clean=True, expiry=0, will=None, manual=False, **connect):
        host, port, version = broker
        self.v5 = version == 5
        self._messages = queue.Queue()
        self._answers = {}
        self._changed = threading.Condition()
        self._connected = None
        self._ended = None
        self.connack = {}
        options = {} if self.v5 else {"clean_session": clean}
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv5 if self.v5 else paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=manual,
            **options,
        )
        client.max_inflight_messages_set(0)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self._answer(mid, codes)
        client.on_unsubscribe = lambda _c, _u, mid, codes, _p: self._answer(mid, codes)
        client.on_publish = lambda _c, _u, mid, code, _p: self._answer(mid, [code])
        client.on_message = lambda _c, _u, message: self._messages.put(message)
        if will is not None:
            topic, payload, qos, retain = will
            client.will_set(topic, payload, qos, retain)
        self.client = client
        options = {}
        if self.v5:
            connect["SessionExpiryInterval"] = expiry
            options = {"clean_start": clean, "properties": properties(PacketTypes.CONNECT, connect)}
        client.connect(host, port, keepalive=60, **options)
        client.loop_start()
        with self._changed:
            self._wait(lambda: self._connected is not None or self._ended is not None, "CONNACK")
        code = self._connected
        assert code is not None and code.value == 0, f"{client_id} was refused: {code}"

    def subscribe(self, topic, qos=1):
        """Subscribes and gives the QoS granted, or the reason from 0x80 on."""
        _, mid = self.client.subscribe(topic, qos)
        return self._await_answer(mid, "SUBACK")[0].value

    def unsubscribe(self, topic):
        _, mid = self.client.unsubscribe(topic)
        self._await_answer(mid, "UNSUBACK")

    def publish(self, topic, payload=b"", qos=1, retain=False, **publish):
        """Publishes and waits until the message is the broker's."""
        mid = self.send(topic, payload, qos, retain, **publish)
        code = self._await_answer(mid, f"the answer to a message on {topic}")[0]
        assert not code.is_failure, f"{topic}: {code}"

    def send(self, topic, payload=b"", qos=1, retain=False, **publish):
        """Publishes and waits for nothing."""
        options = properties(PacketTypes.PUBLISH, publish) if publish else None
        return self.client.publish(topic, payload, qos, retain, options).mid

    def message(self):
        """The next message."""
        try:
            return self._messages.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError("no message came") from None

    def messages_now(self):
        """What has come up to now."""
        messages = []
        while not self._messages.empty():
            messages.append(self._messages.get())
        return messages

    def messages_until(self, payload):
        """The messages up to the one that says `payload`, without it."""
        messages = []
        while (message := self.message()).payload != payload:
            messages.append(message)
        return messages

    def ack(self, message):
        self.client.ack(message.mid, message.qos)

    def end(self):
        """Waits until the broker has ended the connection, and gives the reason that it said."""
        with self._changed:
            self._wait(lambda: self._ended is not None, "the end of the connection")
        return self._ended

    @property
    def alive(self):
        return self._ended is None

    def leave(self, reason=0):
        """Says DISCONNECT."""
        code = ReasonCode(PacketTypes.DISCONNECT, identifier=reason) if self.v5 else None
        self.client.disconnect(code)
        self.end()
        self.client.loop_stop()

    def vanish(self):
        """Is gone without a word."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.end()
        self.client.loop_stop()

    def _on_connect(self, _client, _userdata, flags, code, answered):
        with self._changed:
            self.session_present = flags.session_present
            self.connack = answered.json() if answered is not None else {}
            self._connected = code
            self._changed.notify_all()

    def _on_disconnect(self, _client, _userdata, flags, code, _properties):
        with self._changed:
            self._ended = code.value if flags.is_disconnect_packet_from_server else 0
            self._changed.notify_all()

    def _answer(self, mid, codes):
        with self._changed:
            self._answers[mid] = codes
            self._changed.notify_all()

    def _await_answer(self, mid, what):
        with self._changed:
            self._wait(lambda: mid in self._answers, what)
            return self._answers.pop(mid)

    def _wait(self, seen, what):
        assert self._changed.wait_for(seen, DEADLINE), f"waited {DEADLINE} s for {what}"


def properties(packet, values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def said(messages):
    """The payloads as text."""
    return [message.payload.decode() for message in messages]


def same(seen, wanted):
    assert seen == wanted, f"{seen!r}, not {wanted!r}"


def pass_time(seconds):
    """For what a broker does by the clock: nothing else is waited for like this."""
    time.sleep(seconds)


def play(scenario):
    """Runs the scenario of a file: SCENARIO.py HOST PORT VERSION."""
    host, port, version = sys.argv[1:]
    scenario((host, int(port), int(version)))
