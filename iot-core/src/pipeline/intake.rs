//! Intake: checks each reading and stamps it.
//!
//! - In: batches of samples, from plugins, layers and the embedding program
//! - Out: accepted readings to the live bus and the writer's queue, in one order
//! - Bound: none of its own; credit for a batch is taken before it is looked at
//! - When full: see the queue
//! - Counter: `accepted`, `refused{reason}`, `not_finite`
//!
//! A bad reading is counted with its reason and does not take its batch down with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bus::{Bus, Live};
use super::catalogue::{Catalogue, Entry};
use super::latest::Latest;
use super::queue::{Credit, Queue, Sender, Ticket};
use crate::domain::{
    Batch, DeviceId, DeviceSpec, DeviceState, Home, Quality, Reading, Sample, Sensor, SensorSpec,
    TimeQuality, Timestamp, Value,
};
use crate::ledger::{Ledger, Refusal};
use crate::port::{AnnounceError, Clock, Receipt, Reckoning};

const LONGEST_TEXT: usize = 1024;
/// 2000-01-01T00:00:00Z: a device's own time before it is no time.
const EARLIEST: Timestamp = Timestamp::from_millis(946_684_800_000);
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// What happens to devices and sensors that nobody announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They come into being: their home sends what it likes.
    Create {
        /// The kind that such a device gets.
        kind: &'static str,
    },
    /// They are refused: their home announces.
    Refuse,
}

/// Intake.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) bus: Arc<Bus>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Readings reach bus and queue in one order: whoever publishes holds this.
    pub(crate) order: Mutex<()>,
}

/// One batch's way through intake.
struct Pass<'a> {
    home: &'a Home,
    now: Reckoning,
    stamp: Timestamp,
    stamp_quality: TimeQuality,
    accepted: Vec<Reading>,
    refused: usize,
    back: Vec<DeviceId>,
}

impl Intake {
    /// Takes a batch in. With `waits`, its sender waits for the commit, which the ticket tells.
    pub(crate) fn take(
        &self,
        home: &Home,
        unknown: Unknown,
        batch: Batch,
        credit: Credit,
        waits: Option<Sender>,
    ) -> (Receipt, Option<Ticket>) {
        let now = self.clock.now();
        let mut pass = Pass {
            home,
            now,
            stamp: now.wall.rounded_to_millis(),
            stamp_quality: now.quality(),
            accepted: Vec::with_capacity(batch.len()),
            refused: 0,
            back: Vec::new(),
        };
        let left = self.check(&mut pass, batch.into_samples());
        if !left.is_empty() {
            self.check_unknown(&mut pass, unknown, left);
        }
        for id in std::mem::take(&mut pass.back) {
            self.catalogue.set_state(|e| e.device.id == id, DeviceState::Online, None);
        }
        let receipt = Receipt { accepted: pass.accepted.len(), refused: pass.refused };
        if pass.accepted.is_empty() {
            return (receipt, None);
        }
        let readings: Arc<[Reading]> = Arc::from(pass.accepted);
        let count = readings.len() as u64;
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted before it is queued, so that `stored` never overtakes `accepted`.
        self.ledger.accept(count);
        let Some(ticket) = self.queue.push(readings.clone(), credit, waits) else {
            self.ledger.unaccept(count);
            self.ledger.refuse(Refusal::Stopping, count);
            return (Receipt { accepted: 0, refused: receipt.accepted + receipt.refused }, None);
        };
        self.latest.take(&readings);
        self.bus.publish(Live::Readings(readings));
        drop(order);
        (receipt, Some(ticket))
    }

    /// Checks what is known under one lock; gives back what is not.
    fn check(&self, pass: &mut Pass<'_>, samples: Vec<Sample>) -> Vec<Sample> {
        let catalogue = self.catalogue.read();
        let mut left = Vec::new();
        let mut last: Option<&Entry> = None;
        for sample in samples {
            let entry = match last {
                Some(entry) if entry.device.id == sample.device => entry,
                _ => match catalogue.devices.get(&sample.device) {
                    Some(entry) if !entry.device.removed => entry,
                    _ => {
                        left.push(sample);
                        continue;
                    }
                },
            };
            if last.is_none_or(|other| !std::ptr::eq(other, entry)) {
                last = Some(entry);
                if entry.device.home == *pass.home {
                    entry.heard(pass.now.wall);
                    if matches!(entry.state, DeviceState::Stale | DeviceState::Offline) {
                        pass.back.push(entry.device.id.clone());
                    }
                }
            }
            if entry.device.home != *pass.home {
                self.refuse(pass, Refusal::NotHome);
                continue;
            }
            match entry.sensors.get(&sample.key) {
                Some(sensor) => self.admit(pass, sensor, sample),
                None => left.push(sample),
            }
        }
        left
    }

    /// Makes what is not known, or refuses it.
    fn check_unknown(&self, pass: &mut Pass<'_>, unknown: Unknown, samples: Vec<Sample>) {
        for sample in samples {
            if self.catalogue.is_removed(&sample.device, pass.home) {
                self.catalogue.revive(&sample.device, pass.now.wall);
            }
            // An earlier sample of this very batch may have made it.
            if let Some(sensor) = self.catalogue.sensor(&sample.device, &sample.key) {
                self.admit(pass, &sensor, sample);
                continue;
            }
            let known = self.catalogue.has(&sample.device);
            let Unknown::Create { kind } = unknown else {
                let why = if known { Refusal::UnknownSensor } else { Refusal::UnknownDevice };
                self.refuse(pass, why);
                continue;
            };
            // A sensor's type is that of its first value: without one there is nothing to make.
            let Some(value) = sample.value.clone() else {
                self.refuse(
                    pass,
                    if known { Refusal::UnknownSensor } else { Refusal::UnknownDevice },
                );
                continue;
            };
            if !known {
                let spec = DeviceSpec::new(sample.device.as_str());
                let interval = Duration::from_secs(200);
                let made = self.catalogue.announce(pass.home, kind, spec, interval, pass.now.wall);
                match made {
                    Ok(_) => {}
                    Err(AnnounceError::Limit { .. }) => {
                        self.refuse(pass, Refusal::TooManyDevices);
                        continue;
                    }
                    Err(_) => {
                        self.refuse(pass, Refusal::NotHome);
                        continue;
                    }
                }
            }
            let spec = SensorSpec::of(sample.key.clone(), value.value_type());
            match self.catalogue.sensor_at_first_sight(&sample.device, spec) {
                Some(sensor) => self.admit(pass, &sensor, sample),
                None => self.refuse(pass, Refusal::TooManySensors),
            }
        }
    }

    fn admit(&self, pass: &mut Pass<'_>, sensor: &Arc<Sensor>, sample: Sample) {
        let Sample { ts, value, mut quality, .. } = sample;
        let value = match value {
            Some(value) if value.value_type() != sensor.value_type => {
                return self.refuse(pass, Refusal::Type);
            }
            Some(Value::Number(n)) => {
                let adjusted = sensor.adjust(n);
                if adjusted.is_finite() {
                    Some(Value::Number(adjusted))
                } else {
                    self.ledger.not_finite();
                    quality = Quality::Bad(not_finite(n).into());
                    None
                }
            }
            Some(Value::Text(text)) if text.len() > LONGEST_TEXT => {
                return self.refuse(pass, Refusal::TextTooLong);
            }
            Some(value) => Some(value),
            None if matches!(quality, Quality::Bad(_)) => None,
            None => return self.refuse(pass, Refusal::NoValue),
        };
        let (ts, time) = pass.time_of(ts);
        let quality = shortened(quality);
        pass.accepted.push(Reading { sensor: sensor.clone(), ts, value, quality, time });
    }

    fn refuse(&self, pass: &mut Pass<'_>, why: Refusal) {
        pass.refused += 1;
        self.ledger.refuse(why, 1);
    }
}

impl Pass<'_> {
    fn time_of(&self, own: Option<Timestamp>) -> (Timestamp, TimeQuality) {
        match own {
            None => (self.stamp, self.stamp_quality),
            // Without a trusted clock of ours there is nothing to hold a device's time against
            // but that it is one.
            Some(ts) if ts >= EARLIEST && (!self.now.synced || ts <= self.now.wall.plus(AHEAD)) => {
                (ts, TimeQuality::Device)
            }
            Some(_) => (self.stamp, TimeQuality::Suspect),
        }
    }
}

/// A reason is a sentence, not a device's whole answer.
fn shortened(quality: Quality) -> Quality {
    let cut = |reason: Arc<str>| -> Arc<str> {
        if reason.len() <= LONGEST_TEXT {
            return reason;
        }
        let end = reason.floor_char_boundary(LONGEST_TEXT);
        reason.get(..end).unwrap_or_default().into()
    };
    match quality {
        Quality::Good => Quality::Good,
        Quality::Suspect(reason) => Quality::Suspect(cut(reason)),
        Quality::Bad(reason) => Quality::Bad(cut(reason)),
    }
}

fn not_finite(n: f64) -> &'static str {
    if n.is_nan() { "not a number" } else { "infinite" }
}
