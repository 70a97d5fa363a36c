use iot_core::domain::{
    Batch, Command, DeviceId, Home, InstanceName, Outcome, Point, Principal, Quality, Sample,
    SensorId, TimeQuality, Timestamp, Value,
};
use iot_core::gateway::{DeviceEdit, SensorEdit};
use iot_core::pipeline::{Live, Received};

use super::{device, key, noon, numbers, start};

fn sample(value: Option<Value>, ts: Option<i64>, quality: Quality) -> Sample {
    Sample {
        device: device("attic"),
        key: key("t"),
        ts: ts.map(Timestamp::from_millis),
        value,
        quality,
    }
}

fn one(sample: Sample) -> Batch {
    let mut batch = Batch::new();
    batch.push_sample(sample);
    batch
}

#[tokio::test(start_paused = true)]
async fn nan_and_infinity_become_bad_readings_without_a_value() {
    let (gateway, _) = start("nan").await;
    gateway.submit(one(sample(Some(Value::Number(1.0)), None, Quality::Good))).await.unwrap();
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let receipt =
            gateway.submit(one(sample(Some(Value::Number(wrong)), None, Quality::Good))).await;
        assert_eq!(receipt.unwrap().accepted, 1);
        let latest = gateway.sensor(&SensorId::parse("attic.t").unwrap()).unwrap().latest.clone();
        let Some(Point { value: None, quality: Quality::Bad(reason), .. }) = latest else {
            panic!("{wrong} is a bad reading without a value, not {latest:?}")
        };
        assert!(!reason.is_empty());
    }
    assert_eq!(gateway.diagnostics().ledger.not_finite, 3);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_reading_does_not_take_its_batch_down() {
    let (gateway, _) = start("batch").await;
    let mut batch = numbers("attic", 1_767_000_000_000, 3);
    batch.push(&device("attic"), &key("n"), "a text among numbers");
    batch.push(&device("attic"), &key("long"), "x".repeat(1025).as_str());
    batch.push_sample(sample(None, None, Quality::Good));
    let receipt = gateway.submit(batch).await.unwrap();
    assert_eq!((receipt.accepted, receipt.refused), (3, 3));
    let refused = gateway.diagnostics().ledger.refused;
    assert_eq!(refused.get("type"), Some(&1), "{refused:?}");
    assert_eq!(refused.get("text_too_long"), Some(&1), "{refused:?}");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_reading_counts_in_the_batch_that_brings_its_sensor() {
    let (gateway, _) = start("same-batch").await;
    let mut batch = numbers("attic", 1_767_000_000_000, 1);
    batch.push_bad(&device("attic"), &key("n"), "no answer");
    batch.push_bad(&device("attic"), &key("never"), "no answer");
    let receipt = gateway.submit(batch).await.unwrap();
    assert_eq!((receipt.accepted, receipt.refused), (2, 1));
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_time_that_cannot_be_is_stored_at_its_arrival_as_suspect() {
    let (gateway, _) = start("times").await;
    let now = noon().as_millis();
    let day = 24 * 3_600_000;
    for (ts, time) in [
        (now - day, TimeQuality::Device),
        (now + day - 1000, TimeQuality::Device),
        (0, TimeQuality::Suspect),
        (-1, TimeQuality::Suspect),
        (now / 1000, TimeQuality::Suspect),
        (now * 1000, TimeQuality::Suspect),
        (4_294_967_296_000, TimeQuality::Suspect),
    ] {
        let mut live = gateway.subscribe();
        let value = Some(Value::Number(1.0));
        gateway.submit(one(sample(value, Some(ts), Quality::Good))).await.unwrap();
        let reading = loop {
            match live.next().await {
                Some(Received::Batch(batch)) => {
                    if let Live::Readings(readings) = batch.live {
                        break readings[0].clone();
                    }
                }
                other => panic!("a reading, not {other:?}"),
            }
        };
        assert_eq!(reading.time, time, "{ts}");
        if time == TimeQuality::Suspect {
            assert!(reading.ts.as_millis().abs_diff(now) < 60_000, "stored at its arrival");
        } else {
            assert_eq!(reading.ts.as_millis(), ts);
        }
    }
    gateway.stop().await;
}

/// Speaks to devices behind a link.
#[derive(Debug)]
struct LinkRoute;

#[async_trait::async_trait]
impl iot_core::port::CommandRoute for LinkRoute {
    fn serves(&self, home: &Home) -> bool {
        matches!(home, Home::Link(name) if name == "up")
    }

    fn accepts(&self, _: &Home, _: &DeviceId) -> Result<(), iot_core::port::Unready> {
        Ok(())
    }

    async fn deliver(&self, _: &Home, command: Command) -> Outcome {
        Outcome::Done(command.params)
    }
}

#[tokio::test(start_paused = true)]
async fn readings_by_another_way_than_the_home_are_counted_not_stored() {
    let builder = iot_core::gateway::Gateway::builder().store("memory:home");
    let gateway = builder.command_route(std::sync::Arc::new(LinkRoute)).start().await.unwrap();
    gateway.submit(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    let who = Principal::local();
    let nobody = Home::Instance(InstanceName::parse("nobody").unwrap());
    let refused = gateway.move_device(&who, &device("attic"), nobody).await;
    assert!(matches!(refused, Err(iot_core::gateway::EditError::Invalid(_))), "{refused:?}");
    let home = Home::Link("up".to_owned());
    gateway.move_device(&who, &device("attic"), home).await.unwrap();
    let receipt = gateway.submit(numbers("attic", noon().as_millis() + 10, 2)).await.unwrap();
    assert_eq!((receipt.accepted, receipt.refused), (0, 2));
    assert_eq!(gateway.diagnostics().ledger.refused.get("not_home"), Some(&2));
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn calibration_holds_from_now_on() {
    let (gateway, _) = start("calibration").await;
    gateway.submit(one(sample(Some(Value::Number(20.0)), None, Quality::Good))).await.unwrap();
    let id = SensorId::parse("attic.t").unwrap();
    let edit: SensorEdit =
        serde_json::from_str(r#"{"calibration":{"offset":-0.5},"precision":1}"#).unwrap();
    gateway.edit_sensor(&Principal::local(), &id, edit).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    gateway.submit(one(sample(Some(Value::Number(20.0)), None, Quality::Good))).await.unwrap();
    let points = gateway
        .history()
        .raw(gateway.sensor(&id).unwrap().sensor.no, iot_core::domain::TimeRange::ALL, None, 10)
        .await
        .unwrap()
        .points;
    let values: Vec<_> = points.into_iter().map(|p| p.value).collect();
    assert_eq!(values, [Some(Value::Number(20.0)), Some(Value::Number(19.5))]);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn limits_hold_and_are_counted() {
    let limits = iot_core::pipeline::Limits { devices: 2, sensors: 3 };
    let started =
        iot_core::gateway::Gateway::builder().store("memory:limits").limits(limits).start();
    let gateway = started.await.unwrap();
    let mut batch = Batch::new();
    for n in 0..5 {
        batch.push(&device("attic"), &key(&format!("k{n}")), 1.0);
        batch.push(&device(&format!("d{n}")), &key("k"), 1.0);
    }
    let receipt = gateway.submit(batch).await.unwrap();
    assert_eq!(receipt.accepted, 4, "three sensors of attic, one of d0");
    let refused = gateway.diagnostics().ledger.refused;
    assert_eq!(refused.get("too_many_sensors"), Some(&2));
    assert_eq!(refused.get("too_many_devices"), Some(&4));
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_in_1970_keeps_readings_marks_them_and_corrects_them_later() {
    let (gateway, clock) = start("1970").await;
    clock.set(Timestamp::from_millis(5_000), false);
    gateway.submit(one(sample(Some(Value::Number(1.0)), None, Quality::Good))).await.unwrap();
    let id = SensorId::parse("attic.t").unwrap();
    let latest = gateway.sensor(&id).unwrap().latest.clone().unwrap();
    assert!(matches!(latest.time, TimeQuality::Unsynced { .. }));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    clock.set(noon(), true);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let corrections = gateway.registry().corrections().await.unwrap();
    assert_eq!(corrections.len(), 1, "the correction is a row of its own");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_becomes_stale_and_comes_back() {
    let (gateway, _) = start("stale").await;
    gateway.submit(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    let state =
        |gateway: &iot_core::gateway::Running| gateway.device(&device("attic")).unwrap().state;
    assert_eq!(state(&gateway), iot_core::domain::DeviceState::Online);
    tokio::time::sleep(std::time::Duration::from_secs(602)).await;
    assert_eq!(state(&gateway), iot_core::domain::DeviceState::Stale);
    gateway.submit(numbers("attic", noon().as_millis() + 5, 1)).await.unwrap();
    assert_eq!(state(&gateway), iot_core::domain::DeviceState::Online);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_device_keeps_its_id_and_number_taken_and_can_come_back() {
    let (gateway, _) = start("deleted").await;
    gateway.submit(numbers("attic", noon().as_millis(), 3)).await.unwrap();
    let no = gateway.device(&device("attic")).unwrap().device.no;
    gateway.remove_device(&Principal::local(), &device("attic"), true).await.unwrap();
    assert!(gateway.device(&device("attic")).is_none());
    let ledger = gateway.diagnostics().ledger;
    assert_eq!((ledger.kept, ledger.removed.by_hand), (0, 3));
    gateway.submit(numbers("attic", noon().as_millis() + 9, 1)).await.unwrap();
    assert_eq!(gateway.device(&device("attic")).unwrap().device.no, no);
    let edit: DeviceEdit = serde_json::from_str(r#"{"name":"Attic","area":null}"#).unwrap();
    let view = gateway.edit_device(&Principal::local(), &device("attic"), edit).await.unwrap();
    assert_eq!(view.device.name.as_deref(), Some("Attic"));
    gateway.stop().await;
}
