//! A page of the log as messages: one for each device and instant, in the flat form. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iot_core::domain::{
    DeviceId, GatewayId, Home, Point, Quality, Sensor, SensorKey, SensorNo, Seq, TimeQuality,
    Timestamp, Value,
};
use iot_core::format::flat;
use iot_core::port::{LogPage, Logged, Reckoning};

use super::config::Devices;
use super::message::Message;
use super::progress::{Fate, Progress, Waiting};
use crate::topic::Purpose;

/// A reading whose time may still be corrected is held so long at most.
pub(crate) const HOLD: Duration = Duration::from_secs(600);

/// What goes out, and under which names.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Which gateway sends.
    pub(crate) gateway: GatewayId,
    /// Whose readings go out.
    pub(crate) devices: Devices,
    /// Devices of this home are the other side's own: it has their readings.
    pub(crate) theirs: Home,
    /// What stands before each topic.
    pub(crate) prefix: String,
}

/// A message and the readings that it carries.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) message: Message,
    pub(crate) covers: Vec<Waiting>,
    /// When its readings were taken.
    pub(crate) ts: Timestamp,
}

/// What a page came to.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// Messages, in the order of the log.
    pub(crate) messages: Vec<Sending>,
    /// Where to read on, when that is before the page's end.
    pub(crate) resume: Option<Seq>,
    /// The reading there waits for its time to be corrected, so long at most.
    pub(crate) held: Option<Duration>,
}

/// A message being filled.
struct Open {
    device: DeviceId,
    ts: Timestamp,
    unsynced: bool,
    last: Seq,
    covers: Vec<Waiting>,
    values: Vec<(SensorKey, Option<Value>)>,
}

/// How long a reading's time may still be corrected: only the boot that took it can.
fn held(point: &Point, now: &Reckoning) -> Option<Duration> {
    let TimeQuality::Unsynced { boot, monotonic_us } = point.time else { return None };
    if boot != now.boot {
        return None;
    }
    let age = u64::try_from(now.monotonic_us.saturating_sub(monotonic_us)).unwrap_or(0);
    HOLD.checked_sub(Duration::from_micros(age)).filter(|left| !left.is_zero())
}

/// How many readings at the end of a full page may go on in the next: those of the last device and
/// instant. None where the page holds nothing else.
fn torn(
    readings: &[Logged],
    sensor: &impl Fn(SensorNo) -> Option<(Arc<Sensor>, Home)>,
) -> Option<usize> {
    let last = readings.last()?;
    let device = |logged: &Logged| sensor(logged.sensor).map(|(sensor, _)| sensor.device_no);
    let of = device(last);
    let same = |logged: &&Logged| logged.point.ts == last.point.ts && device(logged) == of;
    let run = readings.iter().rev().take_while(same).count();
    (run < readings.len()).then_some(run)
}

/// Makes messages of a page. Each of its readings goes into `progress`, up to `resume` or the end.
pub(crate) fn build(
    page: &LogPage,
    full: bool,
    rule: &Rule,
    now: &Reckoning,
    sensor: impl Fn(SensorNo) -> Option<(Arc<Sensor>, Home)>,
    progress: &mut Progress,
) -> Built {
    let mut built = Built::default();
    let tail = if full { torn(&page.readings, &sensor).unwrap_or(0) } else { 0 };
    let (whole, tail) = page.readings.split_at(page.readings.len() - tail);
    built.resume = tail.first().map(|first| first.seq);
    let mut open: Vec<Open> = Vec::new();
    // A later reading joins its device's newest message alone, so that order per device holds.
    let mut newest: HashMap<DeviceId, usize> = HashMap::new();
    for logged in whole {
        let Some((sensor, home)) = sensor(logged.sensor) else {
            progress.passed(logged.seq, Fate::Dropped);
            continue;
        };
        if home == rule.theirs || !rule.devices.contains(&sensor.id.device) {
            progress.passed(logged.seq, Fate::Filtered);
            continue;
        }
        if let Some(left) = held(&logged.point, now) {
            built.resume = Some(logged.seq);
            built.held = Some(left);
            break;
        }
        let (key, ts) = (&sensor.id.key, logged.point.ts);
        let unsynced = matches!(logged.point.time, TimeQuality::Unsynced { .. });
        let joins = |open: &Open| {
            open.ts == ts && open.unsynced == unsynced && open.values.iter().all(|(k, _)| k != key)
        };
        let index = match newest.get(&sensor.id.device).filter(|index| joins(&open[**index])) {
            Some(index) => *index,
            None => {
                let device = sensor.id.device.clone();
                newest.insert(device.clone(), open.len());
                let (covers, values) = (Vec::new(), Vec::new());
                open.push(Open { device, ts, unsynced, last: logged.seq, covers, values });
                open.len() - 1
            }
        };
        let open = &mut open[index];
        open.last = logged.seq;
        open.covers.push(progress.sent(logged.seq));
        let good = !matches!(logged.point.quality, Quality::Bad(_));
        open.values.push((key.clone(), logged.point.value.clone().filter(|_| good)));
    }
    progress.read_to(Seq(built.resume.unwrap_or(page.next).0.saturating_sub(1)));
    built.messages = open.into_iter().map(|open| open.close(rule)).collect();
    built
}

impl Open {
    fn flat(&self) -> Vec<u8> {
        let mut json = Vec::new();
        let values = self.values.iter().map(|(key, value)| (key, value.as_ref()));
        flat::write(&mut json, self.ts, self.unsynced, values);
        json
    }

    fn close(self, rule: &Rule) -> Sending {
        let message = Message {
            topic: format!("{}{}", rule.prefix, Purpose::Data.of(&self.device)),
            payload: self.flat().into(),
            user: vec![("gw", rule.gateway.to_string()), ("seq", self.last.to_string())],
            ..Message::default()
        };
        Sending { message, covers: self.covers, ts: self.ts }
    }
}

#[cfg(test)]
mod tests {
    use iot_core::domain::{BootId, DeviceNo, InstanceName, SensorId, ValueType};

    use super::*;

    /// Sensor `n` is `key n%10` of device `d(n/10)`; devices from 9 on are the other side's own.
    fn sensor(no: SensorNo) -> Option<(Arc<Sensor>, Home)> {
        let device = no.0 / 10;
        let home = match device {
            9.. => Home::Link("up".to_owned()),
            _ => Home::Instance(InstanceName::parse("i").unwrap()),
        };
        let sensor = Sensor {
            no,
            device_no: DeviceNo(device),
            id: SensorId::parse(&format!("d{device}.k{}", no.0 % 10)).unwrap(),
            name: None,
            value_type: ValueType::Number,
            unit: None,
            display_unit: None,
            precision: None,
            class: None,
            resolution: None,
            calibration: None,
            retention_days: None,
        };
        (no.0 < 1_000).then_some((Arc::new(sensor), home))
    }

    fn rule() -> Rule {
        Rule {
            gateway: GatewayId::parse("gw").unwrap(),
            devices: Devices::All,
            theirs: Home::Link("up".to_owned()),
            prefix: "site/".to_owned(),
        }
    }

    fn logged(seq: u64, sensor: u32, ms: i64) -> Logged {
        let point = Point {
            ts: Timestamp::from_millis(ms),
            value: Some(Value::Number(0.5)),
            quality: Quality::Good,
            time: TimeQuality::Synced,
        };
        Logged { seq: Seq(seq), sensor: SensorNo(sensor), point }
    }

    fn page(readings: Vec<Logged>) -> LogPage {
        let next = readings.last().map_or(1, |last| last.seq.0 + 1);
        LogPage { readings, next: Seq(next) }
    }

    fn now(monotonic_s: i64) -> Reckoning {
        Reckoning {
            wall: Timestamp::from_millis(0),
            monotonic_us: monotonic_s * 1_000_000,
            synced: false,
            boot: BootId(1),
        }
    }

    fn made(page: &LogPage, full: bool, at: i64) -> (Built, Progress) {
        let mut progress = Progress::after(Seq(0));
        let built = build(page, full, &rule(), &now(at), sensor, &mut progress);
        (built, progress)
    }

    fn texts(built: &Built) -> Vec<(String, String)> {
        let text = |s: &Sending| {
            (s.message.topic.clone(), String::from_utf8(s.message.payload.to_vec()).unwrap())
        };
        built.messages.iter().map(text).collect()
    }

    #[test]
    fn readings_of_one_device_and_instant_are_one_message_even_when_others_lie_between() {
        let page = page(vec![logged(1, 11, 5), logged(2, 21, 5), logged(3, 12, 5)]);
        let (built, _) = made(&page, false, 0);
        let wanted = [
            ("site/devices/d1/data", r#"{"ts":5,"k1":0.5,"k2":0.5}"#),
            ("site/devices/d2/data", r#"{"ts":5,"k1":0.5}"#),
        ];
        assert_eq!(texts(&built), wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let user = &built.messages[0].message.user;
        assert_eq!(user, &[("gw", "gw".to_owned()), ("seq", "3".to_owned())]);
        assert_eq!(built.messages[0].covers.len(), 2);
    }

    #[test]
    fn a_reading_never_overtakes_an_earlier_one_of_its_device() {
        // The third is of the first's instant, but the second was taken in between.
        let page = page(vec![
            logged(1, 11, 5),
            logged(2, 11, 6),
            logged(3, 12, 5),
            logged(4, 11, 5),
            logged(5, 11, 5),
        ]);
        let (built, _) = made(&page, false, 0);
        let payloads: Vec<String> = texts(&built).into_iter().map(|(_, payload)| payload).collect();
        let wanted = [
            r#"{"ts":5,"k1":0.5}"#,
            r#"{"ts":6,"k1":0.5}"#,
            r#"{"ts":5,"k2":0.5,"k1":0.5}"#,
            r#"{"ts":5,"k1":0.5}"#,
        ];
        assert_eq!(payloads, wanted);
    }

    #[test]
    fn a_bad_value_is_null_and_a_doubtful_one_is_told() {
        let mut bad = logged(1, 11, 5);
        bad.point.quality = Quality::Bad("broken wire".into());
        let mut suspect = logged(2, 12, 5);
        suspect.point.quality = Quality::Suspect("calibrating".into());
        suspect.point.value = Some(Value::from("a\"b"));
        let (built, _) = made(&page(vec![bad, suspect]), false, 0);
        assert_eq!(texts(&built)[0].1, r#"{"ts":5,"k1":null,"k2":"a\"b"}"#);
    }

    #[test]
    fn what_came_from_the_other_side_or_is_not_asked_for_is_passed_over() {
        let page = page(vec![logged(1, 91, 5), logged(2, 21, 5), logged(3, 5_000, 5)]);
        let mut rule = rule();
        rule.devices = Devices::These(vec![DeviceId::parse("d1").unwrap()]);
        let mut progress = Progress::after(Seq(0));
        let built = build(&page, false, &rule, &now(0), sensor, &mut progress);
        assert!(built.messages.is_empty());
        let settled = progress.settle().unwrap();
        assert_eq!((settled.seq, settled.acknowledged, settled.filtered), (Seq(3), 0, 2));
    }

    #[test]
    fn a_full_page_does_not_tear_its_last_message() {
        let readings = vec![logged(1, 11, 5), logged(2, 21, 6), logged(3, 22, 6)];
        let (built, mut progress) = made(&page(readings.clone()), true, 0);
        assert_eq!((built.resume, built.messages.len()), (Some(Seq(2)), 1));
        progress.answered(built.messages[0].covers[0], Fate::Acknowledged);
        assert_eq!(progress.settle().unwrap().seq, Seq(1));
        let (built, _) = made(&page(readings[1..].to_vec()), true, 0);
        assert_eq!((built.resume, built.messages.len()), (None, 1), "a page of one instant goes");
    }

    #[test]
    fn an_unsynced_reading_waits_for_its_correction_and_then_goes_marked() {
        let mut unsynced = logged(2, 12, 5);
        unsynced.point.time = TimeQuality::Unsynced { boot: BootId(1), monotonic_us: 0 };
        let page = page(vec![logged(1, 11, 5), unsynced, logged(3, 21, 5)]);
        let (built, _) = made(&page, false, 10);
        assert_eq!((built.resume, built.messages.len()), (Some(Seq(2)), 1));
        assert_eq!(built.held, Some(Duration::from_secs(590)));
        let (built, _) = made(&page, false, 600);
        assert_eq!((built.resume, built.held, built.messages.len()), (None, None, 3));
        assert_eq!(texts(&built)[1].1, r#"{"ts":5,"time":"unsynced","k2":0.5}"#);
    }

    #[test]
    fn a_reading_of_an_earlier_boot_is_not_held_for_nobody_can_correct_it_now() {
        let mut unsynced = logged(1, 11, 5);
        unsynced.point.time = TimeQuality::Unsynced { boot: BootId(7), monotonic_us: 0 };
        let (built, _) = made(&page(vec![unsynced]), false, 10);
        assert_eq!((built.held, built.messages.len()), (None, 1));
    }
}
