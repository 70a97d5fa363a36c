//! The publisher against an outlet that answers as a test wants, on a gateway in memory and paused
//! time.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use iot_core::domain::{
    Batch, DeviceId, Home, Quality, Sample, SensorKey, TimeQuality, Timestamp, Value,
};
use iot_core::gateway::{Gateway, Running};
use iot_testkit as _;
use iot_testkit::sim::SimClock;
use tokio::sync::oneshot;

use super::super::config::Devices;
use super::super::message::{Answered, Message};
use super::*;

/// Keeps what it is given, until it is told what becomes of it.
#[derive(Default)]
struct Held {
    open: Mutex<VecDeque<(String, oneshot::Sender<Answer>)>>,
    all: Mutex<Vec<String>>,
    largest: usize,
}

impl Held {
    fn new() -> Self {
        Self { largest: 1 << 20, ..Self::default() }
    }

    fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What waits for an answer the longest.
    fn front(&self) -> String {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.front().map(|(text, _)| text.clone()).unwrap_or_default()
    }

    /// Every payload that was ever handed over.
    fn all(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, messages: usize, answer: &Answer) {
        for _ in 0..messages {
            let front = self.open.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((_, tell)) = front else { return };
            drop(tell.send(answer.clone()));
        }
    }
}

impl Outlet for Held {
    fn largest(&self) -> usize {
        self.largest
    }

    async fn publish(&self, message: &Message) -> Result<Answered, Lost> {
        let (tell, told) = oneshot::channel();
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push_back((text, tell));
        Ok(Box::pin(async { told.await.unwrap_or(Answer::Lost) }))
    }
}

struct Rig {
    gateway: Running,
    clock: Arc<SimClock>,
    publisher: Publisher,
    figures: Arc<Figures>,
}

async fn rig(store: &str) -> Rig {
    let clock = Arc::new(SimClock::at(Timestamp::parse("2026-01-01T12:00:00Z").unwrap()));
    let started = Gateway::builder().store(format!("memory:{store}")).clock(clock.clone()).start();
    let gateway = started.await.unwrap();
    let rule = Rule {
        gateway: gateway.info().id,
        devices: Devices::All,
        theirs: Home::Link("up".to_owned()),
        prefix: String::new(),
    };
    let name = CursorName("mqtt:up".into());
    let figures = Arc::<Figures>::default();
    let opened =
        Publisher::open(gateway.handle(), name, Begin::End, rule, figures.clone()).await.unwrap();
    Rig { gateway, clock, publisher: opened, figures }
}

impl Rig {
    async fn submit(&self, id: &str, from: i64, count: i64) {
        let mut batch = Batch::new();
        for n in from..from + count {
            batch.push_sample(Sample {
                device: DeviceId::parse(id).unwrap(),
                key: SensorKey::parse("n").unwrap(),
                ts: Some(Timestamp::from_millis(1_767_225_600_000 + n)),
                value: Some(Value::Bool(true)),
                quality: Quality::Good,
            });
        }
        self.gateway.submit(batch).await.unwrap();
    }

    /// Lets the publisher work for a while; whether its session was lost.
    async fn work(&mut self, outlet: &Held) -> bool {
        let run = self.publisher.run(outlet);
        tokio::time::timeout(Duration::from_millis(500), run).await.is_ok()
    }

    fn lag(&self) -> u64 {
        self.figures.show(*self.gateway.progress().borrow()).lag
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_are_under_way_while_live_and_a_thousand_while_catching_up() {
    let mut rig = rig("publisher-window").await;
    let outlet = Held::new();
    rig.submit("attic", 0, 150).await;
    assert!(!rig.work(&outlet).await);
    assert_eq!(outlet.open(), LIVE);
    outlet.answer(LIVE, &Answer::Acknowledged);
    rig.work(&outlet).await;
    assert_eq!((outlet.open(), rig.lag()), (50, 50));
    outlet.answer(50, &Answer::Acknowledged);
    rig.submit("attic", 150, 3_000).await;
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), CATCHING_UP);
    assert!(rig.figures.show(Seq(0)).catching_up);
    while rig.lag() > 0 {
        outlet.answer(500, &Answer::Acknowledged);
        rig.work(&outlet).await;
    }
    let shown = rig.figures.show(Seq(3_150));
    assert_eq!((shown.catching_up, shown.acknowledged, outlet.all().len()), (false, 3_150, 3_150));
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_costs_what_was_not_answered_in_order_and_nothing_else() {
    let mut rig = rig("publisher-lost").await;
    let outlet = Held::new();
    rig.submit("attic", 0, 40).await;
    rig.work(&outlet).await;
    // Ten are answered; then the session is gone, and with it the answers to the others.
    outlet.answer(10, &Answer::Acknowledged);
    let first = outlet.all();
    drop(outlet);
    rig.publisher.recover().await;
    assert_eq!(rig.lag(), 30);
    let outlet = Held::new();
    rig.submit("attic", 40, 5).await;
    rig.work(&outlet).await;
    let again = outlet.all();
    assert_eq!(again[..30], first[10..], "again, in order");
    assert_eq!(again.len(), 35, "and what is new after it");
    outlet.answer(35, &Answer::Acknowledged);
    rig.work(&outlet).await;
    assert_eq!(rig.lag(), 0);
    let distinct: BTreeSet<String> = first.into_iter().chain(again).collect();
    assert_eq!(distinct.len(), 45);
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_came_ends_the_session_and_a_refusal_does_not() {
    let mut rig = rig("publisher-refused").await;
    let outlet = Held::new();
    rig.submit("attic", 0, 3).await;
    rig.work(&outlet).await;
    outlet.answer(1, &Answer::Refused("not authorized".to_owned()));
    outlet.answer(1, &Answer::Lost);
    assert!(rig.work(&outlet).await, "a message that could not be taken now ends it");
    drop(outlet);
    rig.publisher.recover().await;
    let outlet = Held::new();
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), 2);
    outlet.answer(2, &Answer::Acknowledged);
    rig.work(&outlet).await;
    let shown = rig.figures.show(Seq(3));
    assert_eq!((shown.lag, shown.acknowledged), (0, 2));
    assert_eq!(shown.dropped.iter().collect::<Vec<_>>(), [(&"refused", &1)]);
    assert!(shown.trouble.unwrap().contains("not authorized"));
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_counted_and_passed() {
    let mut rig = rig("publisher-large").await;
    let outlet = Held { largest: 50, ..Held::new() };
    rig.submit("attic", 0, 3).await;
    rig.work(&outlet).await;
    let shown = rig.figures.show(Seq(3));
    assert_eq!((shown.lag, shown.dropped["too_large"], outlet.open()), (0, 3, 0));
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_that_ends_each_session_is_found_out_and_the_others_go_on() {
    let mut rig = rig("publisher-poison").await;
    let id = DeviceId::parse("talker").unwrap();
    rig.submit("attic", 0, 5).await;
    let mut batch = Batch::new();
    for n in 0..20 {
        let key = SensorKey::parse(&format!("text{n}")).unwrap();
        batch.push(&id, &key, "x".repeat(1_000).as_str());
    }
    rig.gateway.submit(batch).await.unwrap();
    rig.submit("attic", 5, 5).await;
    let mut sessions = 0;
    while rig.lag() > 0 {
        sessions += 1;
        assert!(sessions < 12, "it does not end");
        let outlet = Held::new();
        // The broker answers in order, up to the one that it does not take: then it hangs up.
        while !rig.work(&outlet).await && outlet.open() > 0 {
            let poison = outlet.front().len() > 10_000;
            if poison {
                break;
            }
            outlet.answer(1, &Answer::Acknowledged);
        }
        drop(outlet);
        rig.publisher.recover().await;
    }
    let shown = rig.figures.show(Seq(30));
    assert_eq!(shown.acknowledged, 10);
    assert_eq!(shown.dropped.iter().collect::<Vec<_>>(), [(&"too_large", &20)]);
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_only_dies_costs_no_reading_however_often() {
    let mut rig = rig("publisher-dies").await;
    rig.submit("attic", 0, 5).await;
    for _ in 0..20 {
        let outlet = Held::new();
        rig.work(&outlet).await;
        drop(outlet);
        rig.publisher.recover().await;
    }
    let outlet = Held::new();
    while rig.lag() > 0 {
        rig.work(&outlet).await;
        outlet.answer(5, &Answer::Acknowledged);
    }
    assert_eq!(rig.figures.show(Seq(5)).acknowledged, 5);
    rig.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn readings_taken_before_the_clock_was_set_go_out_with_their_right_time() {
    let mut rig = rig("publisher-unsynced").await;
    let outlet = Held::new();
    let device = DeviceId::parse("attic").unwrap();
    let key = SensorKey::parse("n").unwrap();
    rig.clock.set(Timestamp::from_millis(1_000), false);
    let mut batch = Batch::new();
    batch.push(&device, &key, true);
    rig.gateway.submit(batch).await.unwrap();
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), 0, "it is held");
    tokio::time::sleep(Duration::from_secs(590)).await;
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), 0, "still");
    tokio::time::sleep(Duration::from_secs(11)).await;
    rig.work(&outlet).await;
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), 1, "long enough");
    assert!(outlet.all()[0].contains(r#""time":"unsynced""#), "{:?}", outlet.all());
    // Another, whose correction comes in time.
    let mut batch = Batch::new();
    batch.push(&device, &key, false);
    rig.gateway.submit(batch).await.unwrap();
    rig.work(&outlet).await;
    assert_eq!(outlet.open(), 1);
    rig.clock.set(Timestamp::parse("2026-01-01T13:00:00Z").unwrap(), true);
    let corrected = async {
        while outlet.open() < 2 {
            rig.publisher.run(&outlet).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(120), corrected).await;
    let last = outlet.all().last().cloned().unwrap();
    assert!(!last.contains("unsynced"), "{last}");
    let logged = iot_testkit::memory::Memory::named("publisher-unsynced").logged();
    assert!(matches!(logged[1].point.time, TimeQuality::Unsynced { .. }));
    rig.gateway.stop().await;
}
