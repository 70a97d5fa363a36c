//! A gateway with its windows, and what an outside broker looks like from there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use iot_testkit::mqtt::{Client, Connect, Message, QoS};
use iot_testkit::servers::http::{Request, Response};
use iot_testkit::servers::{IotServer, Mosquitto};
use iot_testkit::wait::until;
use serde_json::Value as Json;

/// What a busy machine is given for anything that is no promise of time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway, and its administrator's token.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: IotServer,
    token: String,
}

impl Site {
    /// The program with its embedded broker and this configuration.
    pub(crate) fn start(config: &str) -> Self {
        let server = IotServer::builder(crate::SERVER).mqtt().config(config).start().unwrap();
        let token = server.admin_token().unwrap();
        Self { server, token }
    }

    /// The program with a link `up` to this broker; `more` are further lines of the link.
    pub(crate) fn linked(broker: SocketAddr, more: &str) -> Self {
        let link = format!("[[mqtt.link]]\nname = \"up\"\nurl = \"mqtt://{broker}\"\n{more}\n");
        Self::start(&link)
    }

    /// Where its embedded broker listens.
    pub(crate) fn mqtt(&self) -> SocketAddr {
        self.server.mqtt_address().unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.server.data_dir()
    }

    /// Asks the API.
    pub(crate) fn send(&self, request: Request) -> Response {
        request.bearer(&self.token).send(self.server.address()).unwrap()
    }

    /// What the API shows under this path.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Json {
        let answer = self.send(Request::new("GET", &format!("/api/v1/{path}")));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json().unwrap()
    }

    /// The link.
    pub(crate) fn link(&self) -> Json {
        self.get("mqtt/links/up")
    }

    pub(crate) fn ledger(&self) -> Json {
        self.get("diagnostics")["ledger"].clone()
    }

    /// How many were refused for this reason.
    pub(crate) fn refused(&self, why: &str) -> u64 {
        self.ledger()["refused"][why].as_u64().unwrap_or(0)
    }

    /// Waits until the link is in this state.
    pub(crate) async fn stands(&self, state: &str) {
        until(&format!("the link is {state}"), PATIENCE, async || {
            let link = self.link();
            if link["state"] == state { Ok(()) } else { Err(link) }
        })
        .await;
    }

    /// Waits until the link is live and has nothing left to send; gives what it shows then.
    pub(crate) async fn settled(&self) -> Json {
        until("the link has sent everything", PATIENCE, async || {
            let link = self.link();
            if link["state"] == "live" && link["lag"] == 0 { Ok(link) } else { Err(link) }
        })
        .await
    }

    /// How many bytes of memory the program occupies.
    pub(crate) fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// A client of the embedded broker, with nothing from before.
    pub(crate) async fn client(&self, id: &str) -> Client {
        Connect::v5(id).open(self.mqtt()).await.unwrap()
    }

    /// The ids of all devices.
    pub(crate) fn devices(&self) -> Vec<String> {
        let devices = self.get("devices?limit=1000&view=summary");
        let devices = devices["items"].as_array().unwrap().iter();
        devices.map(|device| device["device_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The newest value that is stored of a sensor.
    pub(crate) fn latest(&self, device: &str, key: &str) -> Option<Json> {
        let path = format!("/api/v1/devices/{device}");
        let answer = self.send(Request::new("GET", &path));
        let device = (answer.status == 200).then(|| answer.json().unwrap())?;
        let sensors = device["sensors"].as_array()?;
        let sensor = sensors.iter().find(|sensor| sensor["key"] == key)?;
        Some(sensor["latest"]["value"].clone())
    }

    /// Waits until a sensor's latest value is this.
    pub(crate) async fn shows(&self, device: &str, key: &str, value: i64, within: Duration) {
        until(&format!("{device}.{key} is {value}"), within, async || {
            match self.latest(device, key) {
                Some(shown) if shown.as_f64() == Some(value as f64) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

/// An outside broker that holds back nothing and forgets nothing while it runs.
pub(crate) fn broker() -> Mosquitto {
    Mosquitto::builder()
        .line("max_queued_messages 0")
        .line("max_inflight_messages 0")
        .line("max_packet_size 20000000")
        .start()
        .unwrap()
}

/// A client of a broker that hears what matches, at QoS 1, in a session that is kept.
pub(crate) async fn listener(broker: SocketAddr, id: &str, filter: &str) -> Client {
    let mut client = Connect::v5(id).session(3_600).open(broker).await.unwrap();
    assert_eq!(client.subscribe(filter, QoS::AtLeastOnce).await.unwrap(), 1);
    client
}

/// The next message on this topic; others are passed over.
pub(crate) async fn next_on(client: &mut Client, topic: &str) -> Message {
    loop {
        let message = client.expect_message().await.unwrap();
        if message.topic == topic {
            return message;
        }
    }
}
