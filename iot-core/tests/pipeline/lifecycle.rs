use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use iot_core::domain::{InstanceName, InstanceRecord, KindName, Origin, SettingKey};
use iot_core::domain::{Principal, SettingSource};
use iot_core::gateway::{EditError, Gateway, StartError};
use iot_core::port::{Layer, LayerCx, LayerError, LinkState, LinkView, Links};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{noon, numbers, start};

struct Taken {
    optional: bool,
}

#[async_trait]
impl Layer for Taken {
    fn name(&self) -> &'static str {
        "taken"
    }

    async fn open(&mut self, _: LayerCx) -> Result<(), LayerError> {
        Err(LayerError { layer: "taken", why: "the port is taken".into(), optional: self.optional })
    }

    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        stop.cancelled().await;
        Ok(())
    }
}

/// A layer that keeps two links.
struct Linked;

impl Links for Linked {
    fn links(&self) -> Vec<LinkView> {
        ["up", "aside"].into_iter().map(link).collect()
    }
}

fn link(name: &str) -> LinkView {
    LinkView {
        name: name.into(),
        url: "mqtt://h:1883".into(),
        username: None,
        devices: vec!["*".into()],
        prefix: String::new(),
        qos: 1,
        format: "flat",
        ingest: Vec::new(),
        commands: false,
        origin: Origin::File,
        state: LinkState::Live,
        reason: None,
        lag: 0,
        lag_s: 0.0,
        backlog_bytes: 0,
        acknowledged: 0,
        dropped: BTreeMap::new(),
    }
}

#[async_trait]
impl Layer for Linked {
    fn name(&self) -> &'static str {
        "linked"
    }

    fn links(&self) -> Option<Arc<dyn Links>> {
        Some(Arc::new(Linked))
    }

    async fn open(&mut self, _: LayerCx) -> Result<(), LayerError> {
        Ok(())
    }

    async fn run(self: Box<Self>, stop: CancellationToken) -> Result<(), LayerError> {
        stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_links_of_a_layer_are_the_gateways_by_name() {
    let gateway = Gateway::builder().store("memory:linked").layer(Linked).start().await.unwrap();
    let names: Vec<String> = gateway.links().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["aside", "up"]);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_in_is_on_disk_after_a_stop() {
    let (gateway, _) = start("stop").await;
    gateway.submit(numbers("attic", noon().as_millis(), 100)).await.unwrap();
    assert!(gateway.stop().await);
    let (gateway, _) = start("stop").await;
    let ledger = gateway.diagnostics().ledger;
    assert_eq!((ledger.accepted, ledger.stored, ledger.kept), (100, 100, 100));
    let view = gateway.device(&super::device("attic")).unwrap();
    assert!(view.sensors[0].latest.is_some(), "the latest values are there again");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_gateways_run_in_one_process() {
    let (one, _) = start("one").await;
    let (two, _) = start("two").await;
    one.submit(numbers("attic", noon().as_millis(), 3)).await.unwrap();
    two.submit(numbers("cellar", noon().as_millis(), 5)).await.unwrap();
    assert_eq!(one.diagnostics().ledger.stored, 3);
    assert_eq!(two.diagnostics().ledger.stored, 5);
    assert!(one.device(&super::device("cellar")).is_none());
    one.stop().await;
    two.submit(numbers("cellar", noon().as_millis() + 10, 1)).await.unwrap();
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_cannot_open_stops_the_start_unless_it_is_optional() {
    let builder = || Gateway::builder().store("memory:layer");
    let refused = builder().layer(Taken { optional: false }).start().await;
    assert!(matches!(refused, Err(StartError::Layer(_))), "{refused:?}");
    let gateway = builder().layer(Taken { optional: true }).start().await.unwrap();
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_or_scheme_or_a_name_used_twice_is_one_sentence() {
    let record = |name: &str, kind: &str| InstanceRecord {
        name: InstanceName::parse(name).unwrap(),
        kind: KindName::parse(kind).unwrap(),
        config: json!(null),
        origin: Origin::File,
        enabled: true,
    };
    let unknown = Gateway::builder().store("memory:k").instance(record("a", "nothing"));
    let error = unknown.start().await.unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
    let scheme = Gateway::builder().store("memry:k").start().await.unwrap_err();
    assert!(scheme.to_string().contains("did you mean memory?"), "{scheme}");
    let twice = Gateway::builder()
        .store("memory:k")
        .poll_fn("a", |_| {})
        .poll_fn("a", |_| {})
        .start()
        .await
        .unwrap_err();
    assert!(matches!(twice, StartError::TwoInstances(_)), "{twice}");
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked_kept_and_read_only_where_the_file_decides() {
    let file = vec![(SettingKey::Language, json!("ru"), SettingSource::File)];
    let builder = Gateway::builder().store("memory:settings").overrides(file);
    let gateway = builder.start().await.unwrap();
    let who = Principal::local();
    let set = async |key, value| gateway.set(&who, vec![(key, value)]).await;
    assert!(matches!(set(SettingKey::Language, json!("en")).await, Err(EditError::ReadOnly(_))));
    assert!(matches!(set(SettingKey::TimeZone, json!("Mars")).await, Err(EditError::Invalid(_))));
    set(SettingKey::TimeZone, json!("Europe/Moscow")).await.unwrap();
    gateway.stop().await;
    let gateway = Gateway::builder().store("memory:settings").start().await.unwrap();
    assert_eq!(gateway.info().time_zone, "Europe/Moscow");
    assert_eq!(gateway.info().language, "en");
    gateway.stop().await;
}
