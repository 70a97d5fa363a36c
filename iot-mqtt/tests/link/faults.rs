//! Brokers that die, forget, fall silent, or are fought over.

use std::time::Duration;

use iot_core::port::LinkState;
use iot_testkit::mqtt::{Connect, Message, QoS, Recorder};
use iot_testkit::servers::{Mosquitto, Proxy};
use iot_testkit::wait::until;
use serde_json::json;
use tokio::time::Instant;

use super::kit::{Rig, VERSIONS, WITHIN, broker};

#[tokio::test(flavor = "multi_thread")]
async fn m1_a_broker_killed_over_and_over_is_sent_every_reading() {
    for (_, word) in VERSIONS {
        let mut broker = broker();
        let recorder = Recorder::start(broker.address()).unwrap();
        let table = json!({"version": word});
        let rig = Rig::start(&format!("m1-{word}"), recorder.address(), table).await;
        rig.stands(LinkState::Live).await;
        const KILLS: usize = 4;
        let mut n = 0;
        for _ in 0..KILLS {
            let until = Instant::now() + Duration::from_millis(700);
            while Instant::now() < until {
                rig.submit("attic", n, 20).await;
                n += 20;
            }
            broker.kill9();
            rig.submit("attic", n, 100).await;
            n += 100;
            broker.restart().unwrap();
            let up = n + 20;
            rig.submit("attic", n, 20).await;
            n = up;
            rig.settled().await;
        }
        let view = rig.settled().await;
        let total = u64::try_from(n).unwrap();
        assert_eq!((view.acknowledged, view.dropped.len()), (total, 0));
        let recording = recorder.recording();
        assert!(recording.faults.is_empty(), "{:?}", recording.faults);
        let readings = recording.acknowledged().filter(|p| p.topic.ends_with("/data"));
        let distinct: std::collections::HashSet<_> = readings.map(|p| p.payload.clone()).collect();
        assert_eq!(distinct.len() as u64, total, "each was answered by a PUBACK");
        let unordered = recording.out_of_order();
        assert!(unordered.is_empty(), "{unordered:?}");
        let mut seen = std::collections::HashSet::new();
        let data = recording.publishes.iter().filter(|p| p.topic.ends_with("/data"));
        let again = data.filter(|p| !seen.insert(p.payload.clone())).count();
        assert!(again <= KILLS * 1_000, "{again} were sent again");
        println!("{word}: {total} readings, {again} sent again over {KILLS} kills");
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_a_lag_that_is_shown_and_worked_off() {
    let broker = broker();
    let proxy = Proxy::start(broker.address()).unwrap();
    let rig = Rig::start("outage", proxy.address(), json!({})).await;
    rig.stands(LinkState::Live).await;
    rig.submit("attic", 0, 10).await;
    rig.settled().await;
    proxy.refuse().unwrap();
    proxy.cut();
    let view = rig.stands(LinkState::BackingOff).await;
    assert!(view.reason.is_some());
    rig.submit("attic", 10, 5_000).await;
    let view = until("the lag is shown", WITHIN, async || {
        let view = rig.view();
        (view.lag == 5_000 && view.lag_s > 0.0).then_some(view)
    })
    .await;
    assert!(view.backlog_bytes > 0);
    proxy.accept().unwrap();
    let view = rig.settled().await;
    assert_eq!((view.acknowledged, view.state), (5_010, LinkState::Live));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m3_a_broker_that_falls_silent_is_left() {
    for (_, word) in VERSIONS {
        let mut broker = broker();
        let table = json!({"version": word, "keep_alive_s": 2});
        let rig = Rig::start(&format!("m3-{word}"), broker.address(), table).await;
        rig.stands(LinkState::Live).await;
        rig.submit("attic", 0, 1).await;
        rig.settled().await;
        broker.freeze().unwrap();
        let frozen = Instant::now();
        // It keeps publishing: the library's own timer would begin anew with each write.
        until("the link is left", Duration::from_secs(8), async || {
            let millis = i64::try_from(frozen.elapsed().as_millis()).unwrap();
            rig.submit("attic", 10 + millis, 1).await;
            rig.view().state == LinkState::BackingOff
        })
        .await;
        assert!(frozen.elapsed() <= Duration::from_secs(2).mul_f64(1.5) + Duration::from_secs(5));
        broker.thaw().unwrap();
        rig.settled().await;
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_two_clients_of_one_id_do_not_fight() {
    for (version, word) in VERSIONS {
        let broker = broker();
        let proxy = Proxy::start(broker.address()).unwrap();
        let table = json!({"version": word});
        let rig = Rig::start(&format!("m10-{word}"), proxy.address(), table).await;
        rig.stands(LinkState::Live).await;
        // The other one comes back at once, each time.
        let mut fights = 0;
        let view = until("the link gives way", WITHIN, async || {
            let other = Connect::new(version, "iot-gw-up").open(broker.address()).await.unwrap();
            fights += 1;
            let view = rig.stands(LinkState::BackingOff).await;
            let named = view.reason.as_ref().is_some_and(|why| why.contains("another client"));
            if !named {
                drop(other);
                rig.stands(LinkState::Live).await;
            }
            named.then_some(view)
        })
        .await;
        assert!(view.reason.unwrap().contains("client"));
        assert!(fights <= 4 && proxy.connections() <= 4, "{fights} {}", proxy.connections());
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_a_subscription_that_is_refused_is_shown_and_readings_still_go_out() {
    for (_, word) in VERSIONS {
        // Mosquitto 2.0 grants a subscription whose messages it will not deliver, unless the filter
        // is denied itself.
        let broker = super::brokers::Fake::start(super::brokers::Manner::DeniesSubscriptions).await;
        let table = json!({"version": word, "commands": true});
        let rig = Rig::start(&format!("m12-{word}"), broker.address(), table).await;
        let view = rig.stands(LinkState::Refused).await;
        assert!(view.reason.unwrap().contains("devices/+/commands"));
        rig.submit("attic", 0, 10).await;
        assert_eq!(rig.settled().await.acknowledged, 10);
        assert_eq!(rig.view().state, LinkState::Refused);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_wants_a_name_says_so() {
    let broker = Mosquitto::builder().user("gw", "secret").start().unwrap();
    for (_, word) in VERSIONS {
        let table = json!({"version": word});
        let rig = Rig::start(&format!("user-{word}"), broker.address(), table).await;
        let view = rig.stands(LinkState::Refused).await;
        let why = view.reason.unwrap();
        assert!(why.contains("refused"), "{why}");
        rig.stop().await;
        let table = json!({"version": word, "username": "gw", "password": "secret"});
        let rig = Rig::start(&format!("user-{word}"), broker.address(), table).await;
        rig.stands(LinkState::Live).await;
        rig.submit("attic", 0, 1).await;
        assert_eq!(rig.settled().await.acknowledged, 1);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m12_commands_come_in_again_after_each_session_that_the_broker_forgot() {
    for (version, word) in VERSIONS {
        let mut broker = broker();
        let table = json!({"version": word, "commands": true});
        let rig = Rig::start(&format!("wipe-{word}"), broker.address(), table).await;
        rig.submit("attic", 0, 1).await;
        for n in 0..3 {
            // It keeps nothing on disk: killed, it has forgotten the session.
            broker.kill9();
            broker.restart().unwrap();
            let back = Instant::now();
            let mut other = Connect::new(version, "other").open(broker.address()).await.unwrap();
            other.subscribe("devices/attic/commands/result", QoS::AtLeastOnce).await.unwrap();
            let command = format!(r#"{{"id":"c{n}","name":"set"}}"#);
            until("a command is answered", WITHIN, async || {
                let message = Message::new("devices/attic/commands", command.clone());
                other.publish(message).await.unwrap();
                match other.message_within(Duration::from_millis(100)).await.unwrap() {
                    Some(answer) => Ok(answer),
                    None => Err(format!("{n} {word} {:?}", rig.view())),
                }
            })
            .await;
            assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        }
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_speaks_tls_and_trusts_whom_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let broker = Mosquitto::builder().tls(&cert, &key).start().unwrap();
    let port = broker.tls_address().unwrap().port();
    for (_, word) in VERSIONS {
        let url = format!("mqtts://localhost:{port}");
        let table = json!({"version": word, "url": url, "ca": cert});
        let rig = Rig::start(&format!("tls-{word}"), broker.address(), table).await;
        rig.stands(LinkState::Live).await;
        rig.submit("attic", 0, 100).await;
        assert_eq!(rig.settled().await.acknowledged, 100);
        rig.stop().await;
        let table = json!({"version": word, "url": url});
        let rig = Rig::start(&format!("tls-{word}"), broker.address(), table).await;
        let view = rig.stands(LinkState::BackingOff).await;
        assert!(view.reason.as_ref().unwrap().contains("certificate"), "{view:?}");
        rig.stop().await;
        let table = json!({"version": word, "url": url, "ca": "/nowhere.pem"});
        let rig = Rig::start(&format!("tls-{word}"), broker.address(), table).await;
        let view = rig.stands(LinkState::Refused).await;
        assert!(view.reason.unwrap().contains("/nowhere.pem"));
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_drains_while_new_readings_come_in() {
    for (_, word) in VERSIONS {
        let broker = broker();
        let store = format!("drain-{word}");
        let rig = Rig::start(&store, broker.address(), json!({"url": "mqtt://127.0.0.1:1"})).await;
        rig.stop().await;
        let backlog = 30_000;
        let rig = Rig::start(&store, broker.address(), json!({"url": "mqtt://127.0.0.1:1"})).await;
        for n in 0..backlog / 1_000 {
            rig.submit("attic", n * 1_000, 1_000).await;
        }
        rig.stop().await;
        let table = json!({"version": word});
        let rig = Rig::start(&store, broker.address(), table).await;
        rig.stands(LinkState::CatchingUp).await;
        let begun = Instant::now();
        let mut n = backlog;
        while rig.view().state == LinkState::CatchingUp {
            rig.submit("attic", n, 20).await;
            n += 20;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = begun.elapsed();
        let view = rig.settled().await;
        assert_eq!(view.acknowledged, u64::try_from(n).unwrap());
        println!("{word}: {n} readings in {took:?}");
        rig.stop().await;
    }
}
