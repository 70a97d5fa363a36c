//! The plugin `host`: on this machine, and on trees that show other machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{InstanceState, Outcome, Quality, Sample};
use iot_core::port::{CommandRoute, PluginHost};
use iot_core::registry::Registered;
use iot_plugins::plugins::host::Host;
use iot_testkit::conformance::plugin::assert_conforms;
use iot_testkit::sim::desk::{SimDesk, Told};
use iot_testkit::wait::until;
use serde_json::{Value as Json, json};

use crate::rig::{Rig, SOON, command, home, kind_of, launch, name, quick};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plugins/host/cases")
}

async fn samples(desk: &SimDesk, batches: usize) -> Vec<Vec<Sample>> {
    until("it was polled", SOON, async || {
        let told = desk.told();
        let taken: Vec<_> = told.batches.iter().map(|(_, samples)| samples.clone()).collect();
        if taken.len() >= batches { Ok(taken) } else { Err(format!("{} batches", taken.len())) }
    })
    .await
}

fn value(told: &Told, key: &str) -> f64 {
    let sample = told.latest("host", key).unwrap_or_else(|| panic!("there is no {key}"));
    sample.value.as_ref().unwrap_or_else(|| panic!("{sample:?}")).as_number().unwrap()
}

#[test]
fn it_is_registered_and_conforms() {
    let registered = Registered::collect().unwrap();
    assert_eq!(registered.plugin_kinds().collect::<Vec<_>>(), ["host"]);
    assert!(registered.host().is_some());
    assert_conforms(registered.plugin("host").unwrap(), json!({}));
    assert_conforms(kind_of::<Host>(), json!({"interval_ms": 100, "sys_root": "/nowhere"}));
}

#[test]
fn its_forms_are_in_russian_too() {
    let schema = kind_of::<Host>().describe().config_schema;
    for (key, property) in schema["properties"].as_object().unwrap() {
        for text in ["/title", "/description", "/x-ru/title", "/x-ru/description"] {
            assert!(property.pointer(text).is_some_and(Json::is_string), "{key} lacks {text}");
        }
    }
    assert_eq!(schema["properties"]["interval_ms"]["x-unit"], "ms");
    assert_eq!(schema["properties"]["interval_ms"]["default"], 1000);
}

#[test]
fn a_wrong_configuration_names_its_field() {
    let kind = kind_of::<Host>();
    for (config, pointer) in [
        (json!({"interval_ms": 99}), "/interval_ms"),
        (json!({"interval_ms": 3_600_001}), "/interval_ms"),
        (json!({"interval_ms": "fast"}), "/interval_ms"),
        (json!({"sys_root": "sys"}), "/sys_root"),
    ] {
        assert_eq!(kind.validate(&config).unwrap_err().pointer, pointer, "{config}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_poll_reports_every_sensor_of_this_machine() {
    let rig = Rig::new(quick());
    let desk = rig.start::<Host>("host", json!({"interval_ms": 250})).await;
    let batches = samples(&desk, 3).await;
    let told = desk.told().clone();
    let (device, every) = told.devices.iter().next().unwrap().1;
    assert_eq!(*every, Duration::from_millis(250));
    assert!(told.strangers.is_empty(), "{:?}", told.strangers);
    for batch in &batches {
        let keys: Vec<_> = batch.iter().map(|s| s.key.clone()).collect();
        let known: Vec<_> = device.sensors.iter().map(|s| s.key.clone()).collect();
        assert_eq!(keys, known);
    }
    for sensor in &device.sensors {
        assert!(sensor.name.is_some() && sensor.unit.is_some() && sensor.resolution.is_some());
    }
    for key in ["cpu_load", "cpu_load_0"] {
        assert!((0.0..=100.0).contains(&value(&told, key)), "{key}");
    }
    let memory = value(&told, "memory_used") + value(&told, "memory_available");
    assert_eq!(device.attributes["memory_bytes"], format!("{memory}"));
    assert!(value(&told, "disk_root_free") > 0.0);
    assert!(value(&told, "uptime") > 0.0);
    for key in ["load_1", "load_5", "load_15", "swap_used"] {
        assert!(value(&told, key) >= 0.0);
    }
    assert_eq!(device.name.as_deref(), Some(device.attributes["hostname"].as_str()));
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert!(id.trim().is_empty() || !format!("{device:?}").contains(id.trim()));
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_first_readings_come_at_once() {
    let rig = Rig::new(quick());
    let begun = std::time::Instant::now();
    let desk = rig.start::<Host>("host", json!({"interval_ms": 3_600_000})).await;
    samples(&desk, 1).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    rig.host.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_interval_holds_at_once_and_over_restarts() {
    let rig = Rig::new(quick());
    let (mut launched, desk) = launch("host", kind_of::<Host>(), json!({"interval_ms": 3_600_000}));
    rig.host.start(launched.clone()).await;
    samples(&desk, 1).await;
    let set = |ms: u64| command("host", "set_interval", json!({"interval_ms": ms}));
    let outcome = rig.host.deliver(&home("host"), set(100)).await;
    assert_eq!(outcome, Outcome::Done(json!({"interval_ms": 100})));
    samples(&desk, 3).await;
    assert_eq!(desk.told().devices.values().next().unwrap().1, Duration::from_millis(100));
    assert!(matches!(rig.host.deliver(&home("host"), set(99)).await, Outcome::Refused(_)));
    let unknown = rig.host.deliver(&home("host"), command("host", "fly", json!({}))).await;
    assert!(matches!(unknown, Outcome::Refused(why) if why.contains("set_interval")));
    rig.host.stop_all().await;

    // A new start of the server with what was kept.
    let kept = desk.told().states.last().cloned().unwrap();
    launched.state = kept;
    let later = Arc::new(SimDesk::new());
    launched.desk = later.clone();
    rig.host.start(launched).await;
    samples(&later, 3).await;
    rig.host.stop(&name("host")).await;
    assert_eq!(rig.status("host").state, InstanceState::Stopped);
}

/// What a tree makes of a machine: maker, model, and each temperature's name and value.
async fn seen(sys_root: &Path) -> Json {
    let rig = Rig::new(quick());
    let desk = rig.start::<Host>("host", json!({"sys_root": sys_root})).await;
    let first = samples(&desk, 1).await.remove(0);
    rig.host.stop_all().await;
    let told = desk.told();
    let (device, _) = told.devices.values().next().unwrap();
    let names: BTreeMap<_, _> = device.sensors.iter().map(|s| (s.key.clone(), &s.name)).collect();
    let temperatures = first.iter().filter(|s| s.key.as_str().starts_with("temp_"));
    let temperatures: BTreeMap<&str, Json> = temperatures
        .map(|sample| {
            let name = names[&sample.key];
            let shown = match (&sample.value, &sample.quality) {
                (Some(value), Quality::Good) => json!({"name": name, "value": value}),
                (_, quality) => json!({"name": name, "bad": quality.reason()}),
            };
            (sample.key.as_str(), shown)
        })
        .collect();
    json!({"manufacturer": device.manufacturer, "model": device.model, "temperatures": temperatures})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_are_read_as_expected() {
    let mut cases: Vec<_> =
        std::fs::read_dir(cases()).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 5);
    for case in cases {
        let expected = std::fs::read_to_string(case.join("expected.json")).unwrap();
        let expected: Json = serde_json::from_str(&expected).unwrap();
        let seen = seen(&case.join("sys")).await;
        assert_eq!(seen, expected, "{}: saw {seen:#}", case.display());
    }
}

#[test]
fn the_readme_shows_the_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plugins/host");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let sample = std::fs::read_to_string(folder.join("sample.toml")).unwrap();
    assert!(readme.contains(&format!("```toml\n{sample}```")));
}
