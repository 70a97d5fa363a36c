//! A desk without a gateway behind it: it gives ids as a gateway does, remembers all that it is
//! told, and can be out of credit.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use iot_core::domain::{Batch, BootId, DeviceId, DeviceSpec, Sample, State, Timestamp};
use iot_core::port::{AnnounceError, Desk, Receipt, Reckoning, SubmitError};

/// The wall clock's time when a desk is made, unless it is told another.
const START: Timestamp = Timestamp::from_millis(1_763_150_400_000);

/// How many of the newest samples are kept unless it is told otherwise.
const REMEMBERED: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub struct SimDesk {
    made: Instant,
    told: Mutex<Told>,
}

/// What a desk was told.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Told {
    /// Each device as it was announced last, and the interval with it.
    pub devices: BTreeMap<DeviceId, (DeviceSpec, Duration)>,
    /// How often something was announced.
    pub announcements: usize,
    /// Devices that were withdrawn, in order.
    pub withdrawn: Vec<DeviceId>,
    /// The faults reported for single devices, as they are now.
    pub faults: BTreeMap<DeviceId, String>,
    /// The newest batches that were taken in, each with when.
    pub batches: Vec<(Instant, Vec<Sample>)>,
    /// How many samples were taken in.
    pub accepted: usize,
    /// What was wrong with samples: of a device or sensor that was not announced before.
    pub strangers: Vec<String>,
    /// The states that were kept, in order.
    pub states: Vec<State>,
    /// What `instance_fault` was called with, in order.
    pub instance_faults: Vec<Option<String>>,
    /// How often `instance_gone` was called.
    pub gone: usize,
    /// How many samples are still taken in; none for no limit.
    pub credit: Option<usize>,
    /// How long its disk takes for what is submitted.
    pub disk_takes: Duration,
}

impl Told {
    /// The newest sample of a sensor.
    #[must_use]
    pub fn latest(&self, device: &str, key: &str) -> Option<&Sample> {
        let of = |s: &&Sample| s.device.as_str() == device && s.key.as_str() == key;
        self.batches.iter().rev().find_map(|(_, samples)| samples.iter().rev().find(of))
    }

    fn take(&mut self, batch: Batch) -> Receipt {
        let accepted = batch.len();
        for sample in batch.samples() {
            if !self.knows(sample) {
                self.strangers.push(format!("{}.{}", sample.device, sample.key));
            }
        }
        self.accepted += accepted;
        self.batches.push((Instant::now(), batch.into_samples()));
        let mut kept: usize = self.batches.iter().map(|(_, samples)| samples.len()).sum();
        let mut old = 0;
        while kept > REMEMBERED && old + 1 < self.batches.len() {
            kept -= self.batches[old].1.len();
            old += 1;
        }
        self.batches.drain(..old);
        Receipt { accepted, refused: 0 }
    }

    fn knows(&self, sample: &Sample) -> bool {
        self.devices
            .get(&sample.device)
            .is_some_and(|(spec, _)| spec.sensors.iter().any(|sensor| sensor.key == sample.key))
    }
}

impl Default for SimDesk {
    fn default() -> Self {
        Self { made: Instant::now(), told: Mutex::default() }
    }
}

impl SimDesk {
    /// A desk that was told nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it was told. Plugins wait while the guard is held.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Desk for SimDesk {
    fn announce(&self, spec: DeviceSpec, interval: Duration) -> Result<DeviceId, AnnounceError> {
        let id = DeviceId::from_hardware(&spec.hardware);
        let mut told = self.told();
        told.announcements += 1;
        told.devices.insert(id.clone(), (spec, interval));
        Ok(id)
    }

    fn withdraw(&self, device: &DeviceId) {
        self.told().withdrawn.push(device.clone());
    }

    fn report(&self, device: &DeviceId, fault: Option<&str>) {
        let mut told = self.told();
        match fault {
            Some(fault) => told.faults.insert(device.clone(), fault.to_owned()),
            None => told.faults.remove(device),
        };
    }

    async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError> {
        let disk_takes = self.told().disk_takes;
        tokio::time::sleep(disk_takes).await;
        self.emit(batch).map_err(|_| SubmitError::Store("the simulated disk is full".to_owned()))
    }

    fn emit(&self, batch: Batch) -> Result<Receipt, Batch> {
        let mut told = self.told();
        match told.credit {
            Some(credit) if credit < batch.len() => return Err(batch),
            Some(credit) => told.credit = Some(credit - batch.len()),
            None => {}
        }
        Ok(told.take(batch))
    }

    fn keep(&self, state: State) {
        self.told().states.push(state);
    }

    fn clock(&self) -> Reckoning {
        let passed = self.made.elapsed();
        Reckoning {
            wall: START.plus(passed),
            monotonic_us: i64::try_from(passed.as_micros()).unwrap_or(i64::MAX),
            synced: true,
            boot: BootId(1),
        }
    }

    fn instance_fault(&self, fault: Option<&str>) {
        self.told().instance_faults.push(fault.map(str::to_owned));
    }

    fn instance_gone(&self) {
        self.told().gone += 1;
    }
}
