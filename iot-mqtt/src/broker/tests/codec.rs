//! Bytes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5::{self, PublishProperties};
use tokio::time::Instant;

use super::client::{BOTH, bytes, id, options, passing, publish, read};
use crate::broker::codec::{Codec, Version};
use crate::broker::limits::Limits;
use crate::broker::message::{Delivery, Message};
use crate::broker::violation::Violation;

/// A codec that has read a CONNECT.
fn ready(version: Version, connect: v5::Connect) -> Codec {
    let mut codec = Codec::new(&Limits::default());
    let mut input = bytes(version, connect.into());
    assert!(matches!(codec.decode(&mut input), Ok(Some(v5::Packet::Connect(_)))));
    assert_eq!(codec.version(), Some(version));
    codec
}

fn decode(version: Version, input: &[u8]) -> Result<Option<v5::Packet>, Violation> {
    ready(version, passing("c")).decode(&mut BytesMut::from(input))
}

fn farewell(codec: &mut Codec, input: &[u8], accepted: bool) -> Vec<u8> {
    let violation = codec.decode(&mut BytesMut::from(input)).unwrap_err();
    let mut out = BytesMut::new();
    codec.farewell(&violation, accepted, &mut out);
    out.to_vec()
}

#[test]
fn a_packet_too_large_is_refused_by_its_header_and_takes_no_memory() {
    for version in BOTH {
        let mut codec = ready(version, passing("c"));
        let mut input = BytesMut::from(&b"\x32\xff\xff\xff\x7f"[..]);
        let room = input.capacity();
        let violation = codec.decode(&mut input).unwrap_err();
        assert_eq!(violation.reason, v5::DisconnectReasonCode::PacketTooLarge);
        assert_eq!(input.capacity(), room);
    }
}

#[test]
fn nothing_is_reserved_for_what_was_only_announced() {
    for version in BOTH {
        let mut codec = ready(version, passing("c"));
        let mut input = BytesMut::from(&b"\x32\xff\xff\x3f\x00\x01a"[..]);
        let room = input.capacity();
        assert_eq!(codec.decode(&mut input), Ok(None));
        assert_eq!((input.capacity(), input.len()), (room, 7));
    }
}

#[test]
fn a_stranger_may_not_send_as_much_as_a_client() {
    let mut codec = Codec::new(&Limits::default());
    let mut input = BytesMut::from(&b"\x10\x80\x80\x10"[..]);
    let violation = codec.decode(&mut input).unwrap_err();
    assert_eq!(violation.reason, v5::DisconnectReasonCode::PacketTooLarge);
}

#[test]
fn who_speaks_no_mqtt_gets_no_answer() {
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x30\x03\x00\x01a", b"\x00\x00", b"\x10\x02\x00\x00"]
    {
        assert!(farewell(&mut Codec::new(&Limits::default()), garbage, false).is_empty());
    }
}

#[test]
fn a_version_that_is_not_spoken_is_told_so() {
    for (level, answer) in
        [(2, &b"\x20\x02\x00\x01"[..]), (3, b"\x20\x02\x00\x01"), (6, b"\x20\x03\x00\x84\x00")]
    {
        let mut connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a".to_vec();
        connect[8] = level;
        assert_eq!(farewell(&mut Codec::new(&Limits::default()), &connect, false), answer);
    }
    let mut codec = Codec::new(&Limits::default());
    let old = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a";
    assert!(matches!(codec.decode(&mut BytesMut::from(&old[..])), Ok(Some(_))));
}

#[test]
fn a_kept_session_without_an_id_is_the_protocols_refusal() {
    let v3 = b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00";
    assert_eq!(farewell(&mut Codec::new(&Limits::default()), v3, false), b"\x20\x02\x00\x02");
    let v5 = b"\x10\x0d\x00\x04MQTT\x05\x00\x00\x3c\x00\x00\x00";
    let answer = farewell(&mut Codec::new(&Limits::default()), v5, false);
    assert_eq!(&answer[..4], b"\x20\x03\x00\x85");
}

#[test]
fn what_is_malformed_is_refused() {
    let both: &[&[u8]] = &[
        b"\x36\x05\x00\x01a\x00\x01",     // PUBLISH of QoS 3
        b"\x38\x04\x00\x01a\x00",         // repeated, and QoS 0
        b"\x32\x05\x00\x01a\x00\x00",     // packet id 0
        b"\x30\x04\x00\x01\xff\x00",      // no UTF-8
        b"\x30\x04\x00\x01\x00\x00",      // U+0000
        b"\x30\x02\x00\x09",              // shorter than it says
        b"\x80\x06\x00\x01\x00\x01a\x00", // SUBSCRIBE with the wrong flags
        b"\x82\x02\x00\x01",              // without filters
        b"\x60\x02\x00\x01",              // PUBREL with the wrong flags
        b"\x41\x02\x00\x01",              // PUBACK with flags
        b"\xc0\x01\x00",                  // PINGREQ with content
        b"\x20\x02\x00\x00",              // a server's
        b"\xd0\x00",                      // a server's
        b"\x00\x00",                      // no type
        b"\x30\x80\x80\x80\x80\x01",      // a length of five bytes
    ];
    for version in BOTH {
        for bad in both {
            assert!(decode(version, bad).is_err(), "{version:?} {bad:x?}");
        }
    }
    assert!(decode(Version::V3, b"\x82\x06\x00\x01\x00\x01a\x03").is_err(), "QoS 3");
    assert!(decode(Version::V3, b"\x82\x06\x00\x01\x00\x01a\x04").is_err(), "reserved bits");
    assert!(decode(Version::V5, b"\x82\x07\x00\x01\x00\x00\x01a\x40").is_err(), "reserved bits");
    assert!(decode(Version::V5, b"\x82\x07\x00\x01\x00\x00\x01a\x30").is_err(), "handling 3");
    assert!(decode(Version::V3, b"\xe0\x01\x00").is_err(), "DISCONNECT with content");
    assert!(decode(Version::V3, b"\xf0\x00").is_err(), "AUTH");
}

#[test]
fn a_connect_is_as_its_flags_say() {
    let bad: &[&[u8]] = &[
        b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a", // the reserved flag
        b"\x10\x0d\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01a", // a will's QoS without a will
        b"\x10\x0d\x00\x04MQTT\x04\x22\x00\x3c\x00\x01a", // a retained will without a will
        b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01p", // a password without a name
        b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01ab", // more than it says
        b"\x10\x0e\x00\x04MQTT\x05\x0a\x00\x3c\x00\x00\x01a", // a will's QoS without a will
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00", // U+0000
    ];
    for connect in bad {
        let mut codec = Codec::new(&Limits::default());
        assert!(codec.decode(&mut BytesMut::from(*connect)).is_err(), "{connect:x?}");
    }
}

#[test]
fn acknowledgements_of_success_are_four_bytes() {
    for version in BOTH {
        let mut out = BytesMut::new();
        ready(version, passing("c")).encode(super::client::puback(id(258)), &mut out);
        assert_eq!(&out[..], b"\x40\x02\x01\x02");
    }
}

#[test]
fn a_client_gets_no_packet_larger_than_it_takes() {
    let connect = v5::Connect { max_packet_size: NonZeroU32::new(100), ..passing("c") };
    let codec = ready(Version::V5, connect);
    let now = Instant::now();
    for (len, fits) in [(93, true), (94, false)] {
        let payload = Bytes::from(vec![b'x'; len]);
        let message = Message::plain("ab".into(), payload, QoS::AtMostOnce, false);
        let delivery = Delivery {
            message: Arc::new(message),
            qos: QoS::AtMostOnce,
            retain: false,
            ids: Vec::new(),
        };
        let mut out = BytesMut::new();
        assert_eq!(codec.publish(&delivery, false, None, now, &mut out), fits);
        assert_eq!(out.len(), if fits { 100 } else { 0 });
    }
}

#[test]
fn a_message_is_told_what_is_left_of_its_lifetime() {
    let now = Instant::now();
    let mut given = publish("a", "x", 0, 0);
    given.properties = Some(PublishProperties {
        message_expiry_interval: NonZeroU32::new(10),
        ..PublishProperties::default()
    });
    let message = Message::of(&given, now);
    let left = |ms| message.lifetime(now + Duration::from_millis(ms)).unwrap().get();
    assert_eq!((left(0), left(1), left(4_000), left(9_999)), (10, 10, 6, 1));
    assert!(!message.expired(now + Duration::from_millis(9_999)));
    assert!(message.expired(now + Duration::from_secs(10)));
}

fn text() -> impl Strategy<Value = String> {
    "[a-zа-я/]{1,12}"
}

fn properties() -> impl Strategy<Value = PublishProperties> {
    let some = proptest::option::of::<BoxedStrategy<String>>;
    (
        some(text().boxed()),
        some(text().boxed()),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        proptest::collection::vec((text(), text()), 0..3),
        any::<bool>(),
        proptest::option::of(1_u32..1_000_000),
    )
        .prop_map(|(content, response, correlation, user, utf8, expiry)| PublishProperties {
            topic_alias: None,
            correlation_data: correlation.map(Bytes::from),
            message_expiry_interval: expiry.and_then(NonZeroU32::new),
            content_type: content.map(Into::into),
            user_properties: user.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            is_utf8_payload: utf8,
            response_topic: response.map(Into::into),
            subscription_ids: Vec::new(),
        })
}

proptest! {
    #[test]
    fn a_publish_comes_out_as_it_went_in(
        topic in text(),
        payload in proptest::collection::vec(any::<u8>(), 0..40_000),
        qos in 0_u8..3,
        (retain, again) in any::<(bool, bool)>(),
        properties in properties(),
        numbers in proptest::collection::vec(1_u32..200_000_000, 0..3),
    ) {
        let now = Instant::now();
        for version in BOTH {
            let mut sent = publish(&topic, "", qos, if qos == 0 { 0 } else { 7 });
            sent.payload = Bytes::from(payload.clone());
            sent.retain = retain;
            sent.properties = (version == Version::V5).then(|| properties.clone());
            let mut codec = ready(version, passing("c"));
            let packet = codec.decode(&mut bytes(version, sent.clone().into())).unwrap().unwrap();
            let v5::Packet::Publish(taken) = packet else { panic!("{packet:?}") };
            prop_assert_eq!(&*taken, &sent);

            // And on to a subscriber.
            let ids: Vec<NonZeroU32> = numbers.iter().filter_map(|n| NonZeroU32::new(*n)).collect();
            let delivery = Delivery {
                message: Arc::new(Message::of(&taken, now)),
                qos: sent.qos,
                retain,
                ids: ids.clone(),
            };
            let mut out = BytesMut::new();
            prop_assert!(codec.publish(&delivery, again && qos > 0, sent.packet_id, now, &mut out));
            let got = read(version, &mut out);
            let mut expected = sent;
            expected.dup = again && qos > 0;
            if let Some(properties) = &mut expected.properties {
                properties.subscription_ids = ids;
            }
            prop_assert_eq!(got, vec![expected.into()]);
        }
    }

    #[test]
    fn no_bytes_make_the_codec_panic_or_take_memory(
        input in proptest::collection::vec(any::<u8>(), 0..300),
        version in proptest::sample::select(vec![None, Some(Version::V3), Some(Version::V5)]),
        cut in 1_usize..40,
    ) {
        let mut codec = match version {
            None => Codec::new(&Limits::default()),
            Some(version) => ready(version, passing("c")),
        };
        let mut buffer = BytesMut::new();
        'all: for part in input.chunks(cut) {
            buffer.extend_from_slice(part);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(violation) => {
                        codec.farewell(&violation, true, &mut BytesMut::new());
                        codec.farewell(&violation, false, &mut BytesMut::new());
                        break 'all;
                    }
                }
            }
            prop_assert!(buffer.capacity() < 4_096);
        }
    }

    #[test]
    fn subscriptions_come_out_as_they_went_in(filter in text(), qos in 0_u8..3) {
        for version in BOTH {
            let sent: v5::Packet = v5::Subscribe {
                packet_id: id(9),
                id: None,
                user_properties: Vec::new(),
                topic_filters: vec![(filter.as_str().into(), options(qos))],
            }.into();
            let taken = ready(version, passing("c")).decode(&mut bytes(version, sent.clone()));
            prop_assert_eq!(taken, Ok(Some(sent)));
        }
    }
}
