//! Hard cases of names and topics, by their names: none makes a device, and none harms a neighbour.

use iot_testkit::mqtt::{Connect, Message};
use iot_testkit::servers::Proxy;
use iot_testkit::servers::http::Request;
use iot_testkit::wait::until;
use serde_json::json;

use super::hard_cases::{doors, goes_on};
use super::site::{PATIENCE, Site, broker};

/// 500 names that no device may have.
fn bad_names() -> Vec<String> {
    let marks = [
        "+", "#", "/", "$", "\0", "..", " ", "%2F", "／", "é", "\u{202e}", "\n", "\t", "\"", "\\",
        "'", ".", ":", ";", ",", "*", "?", "&", "=", "@", "!", "~", "`", "|", "<", ">", "(", ")",
        "[", "]", "{", "}", "^", "中", "\u{7f}", "\u{1}", "\u{feff}", "Ａ", "１", "٣", "🔥",
    ];
    let mut names: Vec<String> = ["", "_a", "-a", "_", "-"].map(str::to_owned).into();
    names.extend([65, 66, 100, 128, 255, 300].map(|length| "a".repeat(length)));
    let shapes: [fn(&str) -> String; 11] = [
        |m| m.to_owned(),
        |m| format!("a{m}"),
        |m| format!("{m}a"),
        |m| format!("a{m}b"),
        |m| format!("{m}{m}"),
        |m| format!("cellar{m}data"),
        |m| format!("1{m}1"),
        |m| format!("a-{m}"),
        |m| format!("{}{m}", "a".repeat(63)),
        |m| format!("a_{m}_b"),
        |m| format!("A{m}Z9"),
    ];
    names.extend(shapes.into_iter().flat_map(|shape| marks.into_iter().map(shape)));
    names.truncate(500);
    names
}

fn percent_encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m8_a_bad_device_id_is_refused_at_every_door() {
    let names = bad_names();
    assert_eq!(names.len(), 500);
    for (site, at, outside) in doors().await {
        let known = || -> Vec<String> {
            site.devices().into_iter().filter(|id| !["good", "first"].contains(&&**id)).collect()
        };
        let before = until("the host is there", PATIENCE, async || {
            let known = known();
            if known.is_empty() { Err("nobody") } else { Ok(known) }
        })
        .await;
        let mut client = Connect::v5("namer").open(at).await.unwrap();
        let mut counted = 0;
        for name in &names {
            let message = Message::new(format!("devices/{name}/data"), r#"{"n":1}"#);
            // The broker, not the gateway, has to do with what is no topic's name.
            let no_topic = name.contains(['+', '#', '\0']);
            match client.publish_and_wait(message).await {
                Ok(_) => counted += u64::from(!no_topic && !name.contains('/')),
                Err(_) => client = Connect::v5("namer").open(at).await.unwrap(),
            }
        }
        goes_on(&site, &mut client, 1).await;
        assert_eq!(known(), before, "no name made a device");
        let refused = site.refused("bad_name");
        assert!(refused <= counted && refused > 300, "{refused} of {counted} were counted");
        if outside.is_some() {
            continue;
        }
        for name in &names {
            let path = format!("/api/v1/devices/{}/commands", percent_encoded(name));
            let command = Request::new("POST", &path).json(&json!({"name": "set"}));
            let status = site.send(command).status;
            assert!([400, 404, 422].contains(&status), "{name:?}: {status}");
            let device = Request::new("POST", "/api/v1/devices").json(&json!({"device_id": name}));
            let answer = site.send(device);
            assert!([400, 422].contains(&answer.status), "{name:?}: {}", answer.text());
        }
        assert_eq!(known(), before, "no name made a device");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m9_hostile_topics_harm_nobody() {
    let outside = broker();
    let proxy = Proxy::start(outside.address()).unwrap();
    let linked = Site::linked(proxy.address(), "ingest = [\"#\"]\nprefix = \"сад/\"");
    linked.stands("live").await;
    let own = Site::start("");
    let long = "a/".repeat(200);
    let topics = [
        "/",
        "//",
        "///////////////",
        "сад/",
        "сад",
        "са",
        "с",
        "сад/devices",
        "сад/devices/",
        "сад/devices/x",
        "сад/devices//data",
        "сад/devices/é/data",
        "сад/devices/a/data/",
        "devices/a/DATA",
        "devices/a/data/data",
        "𝒟/𝒶",
        "е́/\u{202e}/x",
        "сад/devices/a/commands/",
        "сад/devices/a/commands/result/x",
        "gateways//status",
        &long,
        "\u{feff}",
        " ",
        "$share/a/b",
        "$SYS/x",
        "devices/a/commands/result",
    ];
    for (site, at) in [(&own, own.mqtt()), (&linked, outside.address())] {
        let mut good = Connect::v5("good").open(at).await.unwrap();
        let mut client = Connect::v5("hostile").open(at).await.unwrap();
        let prefix = if at == own.mqtt() { "" } else { "сад/" };
        let fine = |n: i64| {
            let topic = format!("{prefix}devices/good/data");
            Message::new(topic, format!(r#"{{"n":{n}}}"#))
        };
        let before = site.devices();
        for (n, topic) in topics.into_iter().enumerate() {
            for payload in [r#"{"n":1}"#, ""] {
                let sent = client.publish_and_wait(Message::new(topic, payload)).await;
                if sent.is_err() {
                    client = Connect::v5("hostile").open(at).await.unwrap();
                }
            }
            good.publish_and_wait(fine(n as i64)).await.unwrap();
        }
        until("the last good one is stored", PATIENCE, async || {
            site.latest("good", "n").and_then(|n| n.as_f64()) == Some(topics.len() as f64 - 1.0)
        })
        .await;
        let after: Vec<_> = site.devices();
        let new: Vec<_> =
            after.iter().filter(|id| !before.contains(*id) && *id != "good").collect();
        assert!(
            new.iter().all(|id| site.get(&format!("devices/{id}"))["home"] == "instance:host"),
            "{new:?}"
        );
        assert!(!site.server.stderr().contains("panicked"), "{}", site.server.stderr());
    }
    assert_eq!(proxy.connections(), 1, "it never had to connect again");
}
