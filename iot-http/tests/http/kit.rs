//! A gateway to ask, and a client that asks it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use iot_core::domain::{
    Batch, Command, CommandSpec, DeviceId, DeviceSpec, Home, InstanceName, InstanceState,
    InstanceStatus, Outcome, Principal, Quality, Role, Sample, Scope, SensorKey, SensorSpec,
    Timestamp, TokenKind, Value,
};
use iot_core::gateway::{Builder, Gateway, NewToken, Running};
use iot_core::port::{CommandRoute, Launch, PluginHost, Unready};
use iot_http::{Http, HttpConfig};
use iot_testkit::memory::Memory;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A host whose one instance brings a pump that takes commands.
#[derive(Default)]
struct Bench(Mutex<Vec<Launch>>);

#[async_trait]
impl CommandRoute for Bench {
    fn serves(&self, home: &Home) -> bool {
        matches!(home, Home::Instance(_))
    }
    fn accepts(&self, _: &Home, _: &DeviceId) -> Result<(), Unready> {
        Ok(())
    }
    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        match command.params["level"].as_i64() {
            Some(13) => std::future::pending().await,
            level => Outcome::Done(json!({ "was": level })),
        }
    }
}

#[async_trait]
impl PluginHost for Bench {
    async fn start(&self, launch: Launch) {
        let mut pump = DeviceSpec::new("pump");
        pump.sensors = vec![SensorSpec::number(SensorKey::parse("flow").unwrap(), "l/min")];
        pump.commands = vec![CommandSpec {
            name: "set_level".into(),
            title: Some("Level".into()),
            params: json!({
                "type": "object",
                "properties": { "level": { "type": "integer", "minimum": 0, "maximum": 100 } },
                "required": ["level"],
                "additionalProperties": false,
            }),
        }];
        launch.desk.announce(pump, Duration::from_secs(60)).unwrap();
        self.0.lock().unwrap().push(launch);
    }
    async fn stop(&self, _: &InstanceName) {}
    async fn restart(&self, _: &InstanceName) -> Result<(), String> {
        Ok(())
    }
    async fn remove(&self, _: &InstanceName) {}
    fn statuses(&self) -> Vec<InstanceStatus> {
        let launched = self.0.lock().unwrap();
        let status = |launch: &Launch| InstanceStatus {
            record: launch.record.clone(),
            state: InstanceState::Running,
            reason: None,
            readings: 0,
            skipped: 0,
            restarts: 0,
        };
        launched.iter().map(status).collect()
    }
    async fn stop_all(&self) {}
}

/// A running gateway and how to reach it.
pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) admin: String,
    pub(crate) store: Memory,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(Http::on("127.0.0.1:0"), |builder| builder).await
    }

    pub(crate) async fn configured(config: HttpConfig) -> Self {
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        Self::with(Http::new(HttpConfig { listen, ..config }), |builder| builder).await
    }

    pub(crate) async fn with(http: Http, more: impl FnOnce(Builder) -> Builder) -> Self {
        let bench =
            |builder: Builder| builder.host(Arc::new(Bench::default())).poll_fn("bench", |_| {});
        Self::bare(http, |builder| more(bench(builder))).await
    }

    /// Without the bench: nothing but the gateway and this layer.
    pub(crate) async fn bare(http: Http, more: impl FnOnce(Builder) -> Builder) -> Self {
        let name = format!("http-{}", fastrand::u64(..));
        let addresses = http.addresses();
        let builder = Gateway::builder()
            .store(format!("memory:{name}"))
            .build_id("1.2.3+test")
            .trust_time(true)
            .layer(http);
        let running = more(builder).start().await.unwrap();
        let address = addresses.get()[0];
        let mut site = Self { running, address, admin: String::new(), store: Memory::named(&name) };
        site.admin = site.token(Role::Admin, Scope::All).await;
        site
    }

    /// A fresh API token.
    pub(crate) async fn token(&self, role: Role, scope: Scope) -> String {
        let name = format!("t{}", fastrand::u64(..));
        let new = NewToken { kind: TokenKind::Api, name, role, scope, lifetime: None };
        let (secret, _) = self.running.issue(&Principal::local(), new).await.unwrap();
        secret.reveal().to_owned()
    }

    /// A fresh sign-in link's token.
    pub(crate) async fn link(&self) -> String {
        let (secret, _) = self.running.issue(&Principal::local(), NewToken::link()).await.unwrap();
        secret.reveal().to_owned()
    }

    /// One reading, on disk.
    pub(crate) async fn put(&self, sensor: &str, ms: i64, value: impl Into<Value>) {
        self.put_all(sensor, vec![(ms, Some(value.into()), Quality::Good)]).await;
    }

    pub(crate) async fn put_all(&self, sensor: &str, readings: Vec<(i64, Option<Value>, Quality)>) {
        let (device, key) = sensor.split_once('.').unwrap();
        let mut batch = Batch::new();
        for (ms, value, quality) in readings {
            batch.push_sample(Sample {
                device: DeviceId::parse(device).unwrap(),
                key: SensorKey::parse(key).unwrap(),
                ts: Some(Timestamp::from_millis(ms)),
                value,
                quality,
            });
        }
        let wanted = batch.len();
        let receipt = self.running.submit(batch).await.unwrap();
        assert_eq!(receipt.accepted, wanted);
    }

    /// A GET with the admin's token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    /// A request with the admin's token and no body.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Answer {
        Asked::new(method, path).bearer(&self.admin).to(self.address).await
    }

    /// A request with the admin's token and a JSON body.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Json) -> Answer {
        Asked::new(method, path).bearer(&self.admin).json(&body).to(self.address).await
    }
}

impl Site {
    /// Waits for a row of the audit: it rides on a commit that nobody waits for.
    pub(crate) async fn audited(&self, what: &str, is_it: impl Fn(&Json) -> bool) {
        iot_testkit::wait::until(what, PATIENCE, async || {
            let rows = self.get("/api/v1/audit?limit=1000").await.ok(200);
            if rows["items"].as_array().unwrap().iter().any(&is_it) {
                Ok(())
            } else {
                Err(rows.to_string())
            }
        })
        .await;
    }
}

/// A request to be sent.
#[derive(Clone)]
pub(crate) struct Asked {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Asked {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Json) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn to(self, address: SocketAddr) -> Answer {
        let stream = TcpStream::connect(address).await.unwrap();
        self.over(stream, &address.to_string()).await
    }

    /// Sends it over a stream and takes the whole answer.
    pub(crate) async fn over<S>(self, stream: S, host: &str) -> Answer
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = iot_core::task::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("Host", host);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).unwrap();
        let exchange = async {
            let response = sender.send_request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts, body.collect().await.unwrap().to_bytes())
        };
        let (parts, body) = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
        connection.abort();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of an answer that says yes.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Json::Null } else { self.json() }
    }

    /// The problem of an answer that says no.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, word: &str) -> Json {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], format!("urn:iot:problem:{word}"), "{json}");
        assert_eq!(json["status"], status);
        assert!(json["detail"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        json
    }
}
