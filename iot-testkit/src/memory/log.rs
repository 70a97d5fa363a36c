//! The log in memory.

use async_trait::async_trait;
use iot_core::domain::{DeviceNo, Point, SensorNo, Seq, TimeRange};
use iot_core::port::{
    Change, Commit, Committed, CursorMove, Figures, Log, LogError, LogErrorKind, LogPage, Logged,
    StoredDevice,
};

use super::{Contents, Fault, Memory};

fn error(kind: LogErrorKind, doing: &'static str, why: &str) -> LogError {
    LogError { kind, doing, why: why.to_owned() }
}

#[async_trait]
impl Log for Memory {
    async fn commit(&self, commit: &Commit) -> Result<Committed, LogError> {
        // A real store takes a while; whatever else can happen, may happen now.
        tokio::task::yield_now().await;
        let mut contents = self.lock();
        if let Fault::Before(kind) = contents.fault {
            return Err(error(kind, "commit", "made to fail before it took effect"));
        }
        if commit.first.0 != contents.log.len() as u64 + 1 {
            return Err(error(LogErrorKind::Other, "commit", "its place is not the log's end"));
        }
        contents.apply(commit);
        contents.commits += 1;
        if contents.fault == Fault::After {
            return Err(error(LogErrorKind::Other, "commit", "made to fail after it took effect"));
        }
        Ok(Committed { figures: contents.figures })
    }

    async fn read(&self, from: Seq, limit: usize) -> Result<LogPage, LogError> {
        let contents = self.lock();
        let start = usize::try_from(from.0.max(1) - 1).unwrap_or(usize::MAX);
        if start > contents.log.len() {
            return Err(error(LogErrorKind::OutOfRange, "read", "the log does not reach so far"));
        }
        let mut next = from.0.max(1);
        let mut readings = Vec::new();
        for slot in contents.log.iter().skip(start) {
            if readings.len() == limit {
                break;
            }
            let corrected =
                |l: &Logged| Logged { point: contents.corrected(&l.point), ..l.clone() };
            readings.extend(slot.as_ref().map(corrected));
            next += 1;
        }
        Ok(LogPage { readings, next: Seq(next) })
    }

    async fn end(&self) -> Result<Seq, LogError> {
        Ok(Seq(self.lock().log.len() as u64))
    }

    async fn figures(&self) -> Result<Figures, LogError> {
        Ok(self.lock().figures)
    }

    async fn cursors(&self) -> Result<Vec<CursorMove>, LogError> {
        Ok(self.lock().cursors.values().cloned().collect())
    }
}

impl Contents {
    fn apply(&mut self, commit: &Commit) {
        for change in &commit.changes {
            self.change(change.clone());
        }
        for moved in &commit.cursors {
            self.cursors.insert(moved.name.clone(), moved.clone());
        }
        for (no, at) in &commit.seen {
            if let Some(device) = self.devices.get_mut(&no.0) {
                device.last_seen = Some(*at);
            }
        }
        for reading in commit.batches.iter().flat_map(|batch| batch.iter()) {
            let point = Point {
                ts: reading.ts,
                value: reading.value.clone(),
                quality: reading.quality.clone(),
                time: reading.time,
            };
            let seq = Seq(self.log.len() as u64 + 1);
            let sensor = reading.sensor.no;
            self.log.push(Some(Logged { seq, sensor, point }));
            self.figures.stored += 1;
            self.figures.kept += 1;
        }
        // What is removed came before, in the same commit too.
        for change in &commit.changes {
            match change {
                Change::RemoveDevice { no, history: true } => self.remove_device(*no),
                Change::RemoveReadings { sensor, range } => self.remove(*sensor, *range),
                _ => {}
            }
        }
    }

    fn remove_device(&mut self, no: DeviceNo) {
        let own = self.sensors.values().filter(|s| s.device_no == no).map(|s| s.no);
        for sensor in own.collect::<Vec<SensorNo>>() {
            self.remove(sensor, TimeRange::ALL);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::PutDevice(device) => {
                let no = device.no.0;
                let last_seen = self.devices.get(&no).and_then(|d| d.last_seen);
                let device = iot_core::domain::Device::clone(&device);
                self.devices.insert(no, StoredDevice { device, last_seen });
            }
            Change::RemoveDevice { no, .. } => {
                if let Some(stored) = self.devices.get_mut(&no.0) {
                    stored.device.removed = true;
                }
            }
            Change::PutSensor(sensor) => {
                self.sensors.insert(sensor.no.0, iot_core::domain::Sensor::clone(&sensor));
            }
            // After the readings of the commit.
            Change::RemoveReadings { .. } => {}
            Change::PutInstance(record) => {
                self.instances.insert(record.name.clone(), record);
            }
            Change::RemoveInstance(name) => {
                self.instances.remove(&name);
                self.states.remove(&name);
            }
            Change::KeepState(name, state) => {
                self.states.insert(name, state);
            }
            Change::PutPlugin(record) => {
                self.plugins.insert(record.kind.to_string(), record);
            }
            Change::PutSetting(key, Some(value)) => {
                self.settings.insert(key, value);
            }
            Change::PutSetting(key, None) => {
                self.settings.remove(&key);
            }
            Change::PutToken(token) => {
                self.tokens.insert(token.hash.0.clone(), token);
            }
            Change::RemoveToken(hash) => {
                self.tokens.remove(&hash.0);
            }
            Change::PutCommand(record) => {
                match self.commands.iter_mut().find(|c| c.id == record.id) {
                    Some(on_file) if on_file.state.is_over() => {}
                    Some(on_file) => *on_file = record,
                    None => self.commands.push(record),
                }
            }
            Change::ForgetCommands(before) => {
                self.commands.retain(|c| c.created >= before || !c.state.is_over());
            }
            Change::Audit(entry) => self.audit.push(entry),
            Change::CorrectTime(boot, offset) => {
                self.corrections.insert(boot, offset);
            }
            // For plain SQL alone, which this store does not have.
            Change::DeviceState(..) => {}
            Change::RemoveCursor(name) => {
                self.cursors.remove(&name);
            }
            other => unreachable!("a change this store does not know: {other:?}"),
        }
    }

    fn remove(&mut self, sensor: SensorNo, range: TimeRange) {
        let inside = |logged: &Logged| {
            logged.sensor == sensor && range.contains(self.corrected(&logged.point).ts)
        };
        let found =
            self.log.iter().enumerate().filter(|(_, slot)| slot.as_ref().is_some_and(inside));
        let found: Vec<usize> = found.map(|(n, _)| n).collect();
        for n in found {
            if self.log[n].take().is_some() {
                self.figures.kept -= 1;
                self.figures.removed.by_hand += 1;
            }
        }
    }
}
