use std::time::Duration;

use iot_core::domain::{DeviceState, Home, SensorNo};
use iot_core::pipeline::cursor::Begin;
use iot_core::port::{CursorName, LogErrorKind};
use iot_testkit::memory::{Fault, Memory};

use super::{device, noon, numbers, start};

#[tokio::test(start_paused = true)]
async fn one_sender_keeps_many_batches_under_way_and_hears_of_each() {
    let (gateway, _) = start("inlet-many").await;
    let inlet = gateway.inlet(Home::MqttListener, "mqtt");
    let mut pending = Vec::new();
    for n in 0..100 {
        pending.push(inlet.take(numbers("attic", noon().as_millis() + n, 1)).await.unwrap());
    }
    for one in &mut pending {
        assert_eq!(one.committed().await.unwrap().accepted, 1);
    }
    assert_eq!(Memory::named("inlet-many").logged().len(), 100);
    let commits = Memory::named("inlet-many").commits();
    assert!(commits < 20, "what waits together is committed together, not in {commits} commits");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_only_delays_an_acknowledgement() {
    let (gateway, _) = start("inlet-full").await;
    let memory = Memory::named("inlet-full");
    let inlet = gateway.inlet(Home::MqttListener, "mqtt");
    memory.fail(Fault::Before(LogErrorKind::Full));
    let mut first = inlet.take(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(20), first.committed()).await;
    assert!(early.is_err(), "nothing is on disk yet");
    let held = inlet.take(numbers("attic", noon().as_millis() + 1, 1));
    assert!(tokio::time::timeout(Duration::from_secs(20), held).await.is_err(), "it holds back");
    memory.fail(Fault::None);
    first.committed().await.unwrap();
    let mut second = inlet.take(numbers("attic", noon().as_millis() + 1, 1)).await.unwrap();
    second.committed().await.unwrap();
    assert_eq!(memory.logged().len(), 2, "each once");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_says_so_is_offline_until_it_is_heard_again() {
    let (gateway, _) = start("inlet-status").await;
    let inlet = gateway.inlet(Home::MqttListener, "mqtt");
    inlet.take(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    let state = || gateway.device(&device("attic")).unwrap().state;
    assert_eq!(state(), DeviceState::Online);
    assert!(inlet.heard(&device("attic"), false));
    assert_eq!(state(), DeviceState::Offline);
    assert!(!gateway.inlet(Home::Api, "api").heard(&device("attic"), true), "not its home");
    inlet.take(numbers("attic", noon().as_millis() + 1, 1)).await.unwrap();
    assert_eq!(state(), DeviceState::Online);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_the_log_is_woken_by_commits_and_finds_each_sensor() {
    let (gateway, _) = start("inlet-progress").await;
    let mut progress = gateway.progress();
    let mut cursor = gateway.cursor(CursorName("listener:mqtt".into()), Begin::Now).await.unwrap();
    gateway.submit(numbers("attic", noon().as_millis(), 3)).await.unwrap();
    progress.changed().await.unwrap();
    assert_eq!(progress.borrow_and_update().0, 3);
    let page = cursor.read(10).await.unwrap();
    let (sensor, home) = gateway.sensor_by_no(page.readings[0].sensor).unwrap();
    assert_eq!((sensor.id.to_string().as_str(), home), ("attic.n", Home::Api));
    assert!(gateway.sensor_by_no(SensorNo(999)).is_none());
    cursor.unread(page.readings[1].seq);
    assert_eq!(cursor.read(10).await.unwrap().readings.len(), 2);
    cursor.settle(page.readings[1].seq, 2, 0);
    let anew = gateway.cursor(CursorName("listener:mqtt".into()), Begin::Now).await.unwrap();
    assert_eq!(anew.place().acknowledged, 0, "it begins anew, at the end");
    assert_eq!(anew.place().seq.0, 3);
    gateway.stop().await;
}
