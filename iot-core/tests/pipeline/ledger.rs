use std::time::Duration;

use iot_core::gateway::StoreState;
use iot_core::ledger::Refusal;
use iot_core::pipeline::cursor::Begin;
use iot_core::port::LogErrorKind;
use iot_testkit::memory::{Fault, Memory};

use super::{noon, numbers, start};

#[tokio::test(start_paused = true)]
async fn a_failed_commit_that_is_there_all_the_same_is_not_made_twice() {
    let (gateway, _) = start("after").await;
    let memory = Memory::named("after");
    gateway.submit(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    memory.fail(Fault::After);
    let told = gateway.submit(numbers("attic", noon().as_millis() + 1, 1)).await;
    assert!(told.is_err(), "a failure is not an acknowledgement");
    memory.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(10)).await;
    gateway.submit(numbers("attic", noon().as_millis() + 2, 1)).await.unwrap();
    let ledger = gateway.diagnostics().ledger;
    assert_eq!((ledger.accepted, ledger.stored, ledger.queued), (3, 3, 0));
    assert_eq!(memory.logged().len(), 3);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_full_senders_are_told_at_once_and_it_heals_by_itself() {
    let (gateway, _) = start("full").await;
    let memory = Memory::named("full");
    gateway.submit(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    memory.fail(Fault::Before(LogErrorKind::Full));
    assert!(gateway.submit(numbers("attic", noon().as_millis() + 1, 1)).await.is_err());
    assert!(matches!(gateway.store_state(), StoreState::Full(_)));
    let before = tokio::time::Instant::now();
    assert!(gateway.submit(numbers("attic", noon().as_millis() + 2, 1)).await.is_err());
    assert_eq!(before.elapsed(), Duration::ZERO, "told at once");
    let ledger = gateway.diagnostics().ledger;
    assert_eq!(ledger.accepted, ledger.stored + ledger.queued);
    memory.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(gateway.store_state(), StoreState::Ok);
    assert_eq!(gateway.diagnostics().ledger.queued, 0, "what was in hand was kept");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_consumers_share_adds_up_whatever_it_does() {
    let (gateway, _) = start("consumer").await;
    gateway.submit(numbers("attic", noon().as_millis(), 5)).await.unwrap();
    let name = iot_core::port::CursorName("mqtt:up".into());
    let mut cursor = gateway.cursor(name.clone(), Begin::End).await.unwrap();
    gateway.submit(numbers("attic", noon().as_millis() + 100, 10)).await.unwrap();
    let page = cursor.read(4).await.unwrap();
    assert_eq!(page.readings.len(), 4);
    assert_eq!(page.readings[0].seq.0, 6, "a new cursor begins at the end of the log");
    cursor.settle(page.readings[3].seq, 3, 1);
    gateway.submit(numbers("attic", noon().as_millis() + 200, 1)).await.unwrap();
    let ledger = gateway.diagnostics().ledger;
    let share = &ledger.consumers["mqtt:up"];
    assert_eq!((share.acknowledged, share.filtered, share.pending), (3, 1, 7));
    cursor.read(2).await.unwrap();
    cursor.rewind();
    assert_eq!(cursor.read(100).await.unwrap().readings.len(), 7);
    let again = gateway.cursor(name, Begin::End).await.unwrap();
    assert_eq!(again.place().seq.0, 9, "it is found where it was left");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_gathered_once_its_budget_is_spent() {
    let (gateway, _) = start("trickle").await;
    let memory = Memory::named("trickle");
    for n in 0..600 {
        gateway.submit(numbers("attic", noon().as_millis() + n, 1)).await.unwrap();
    }
    let commits = memory.commits();
    let from = tokio::time::Instant::now();
    for n in 0..200 {
        gateway.submit(numbers("attic", noon().as_millis() + 1000 + n, 1)).await.unwrap();
    }
    let rate = (memory.commits() - commits) as f64 / from.elapsed().as_secs_f64();
    assert!((15.0..=25.0).contains(&rate), "{rate} commits a second");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_by_hand_are_refused_while_the_store_fails_and_nothing_of_them_is_done() {
    let (gateway, _) = start("refuses").await;
    let memory = Memory::named("refuses");
    let who = iot_core::domain::Principal::local();
    gateway.submit(numbers("attic", noon().as_millis(), 1)).await.unwrap();
    memory.fail(Fault::Before(LogErrorKind::Full));
    assert!(gateway.submit(numbers("attic", noon().as_millis() + 1, 1)).await.is_err());
    let edit: iot_core::gateway::DeviceEdit = serde_json::from_str(r#"{"name":"Attic"}"#).unwrap();
    let refused = gateway.edit_device(&who, &super::device("attic"), edit).await;
    assert!(matches!(refused, Err(iot_core::gateway::EditError::Full(_))), "{refused:?}");
    assert_eq!(gateway.device(&super::device("attic")).unwrap().device.name, None);
    memory.fail(Fault::None);
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_counted_and_can_be_looked_at() {
    let (gateway, _) = start("refused").await;
    gateway.refuse("listener:mqtt", "devices/attic/data", Refusal::Malformed, b"{\"t\":NaN}");
    gateway.count_refused(Refusal::Oversized, 3);
    let refused = gateway.diagnostics().ledger.refused;
    assert_eq!((refused["malformed"], refused["oversized"]), (1, 3));
    let kept = serde_json::to_value(gateway.refused()).unwrap();
    let expected = serde_json::json!([{
        "at": noon().as_millis(), "door": "listener:mqtt", "topic": "devices/attic/data",
        "reason": "malformed", "payload": "{\"t\":NaN}",
    }]);
    assert_eq!(kept, expected);
    gateway.stop().await;
}

#[test]
fn a_reasons_word_is_the_same_in_every_answer() {
    for why in Refusal::ALL {
        assert_eq!(serde_json::to_value(why).unwrap(), why.word());
    }
}
