//! The plugin itself.

use std::fmt;
use std::time::Duration;

use iot_core::domain::{Batch, Command, DeviceId, DeviceSpec, Outcome, SensorSpec};
use iot_core::port::{ConfigError, OpenCx, OpenError, Plugin, PollError};
use serde_json::json;
use sysinfo::{Disks, System};

use super::command;
use super::config::{HostConfig, interval};
use super::measured::{Findings, Measured};
use super::network::Traffic;
use super::{about, cpu, disk, memory, sysfs};

/// Sensors beyond this are left out: a device has at most 200.
const MOST_SENSORS: usize = 190;

/// This machine as a device.
pub struct Host {
    cx: OpenCx,
    config: HostConfig,
    system: System,
    disks: Disks,
    traffic: Traffic,
    /// The device without its sensors.
    about: DeviceSpec,
    device: DeviceId,
    /// Every sensor that was announced; each poll reports all of them.
    known: Vec<SensorSpec>,
    /// What opening measured, for the first poll.
    first: Option<Findings>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("device", &self.device).finish_non_exhaustive()
    }
}

iot_core::register_plugin!(Host);

impl Plugin for Host {
    const KIND: &'static str = "host";
    type Config = HostConfig;

    fn validate(config: &HostConfig) -> Result<(), ConfigError> {
        interval(config.interval_ms).map_err(|wrong| ConfigError::at("/interval_ms", wrong))?;
        if config.sys_root.is_absolute() {
            Ok(())
        } else {
            Err(ConfigError::at("/sys_root", "must be an absolute path, as /sys is"))
        }
    }

    async fn open(config: HostConfig, cx: OpenCx) -> Result<Self, OpenError> {
        let unusable =
            |e: sysinfo::Error| OpenError::never(format!("this system tells nothing: {e}"));
        let every = command::restored(&cx.state, &config).map_err(OpenError::never)?;
        cx.schedule.set(every);
        let mut system = System::new().map_err(unusable)?;
        cpu::refresh(&mut system);
        system.refresh_memory();
        let disks = Disks::new().map_err(unusable)?;
        let traffic = Traffic::new().map_err(unusable)?;
        let mut about = about::device(&config.sys_root, &system);
        about.commands = vec![command::set_interval()];
        let device = cx.announce(about.clone()).map_err(|e| OpenError::never(e.to_string()))?;
        let known = Vec::new();
        let mut host =
            Self { cx, config, system, disks, traffic, about, device, known, first: None };
        // Loads and rates need two looks, so the first values are of this moment, not since boot.
        tokio::time::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(5)).await;
        let found = host.measure();
        host.learn(&found).map_err(|e| OpenError::never(e.to_string()))?;
        host.first = Some(found);
        Ok(host)
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        let found = match self.first.take() {
            Some(found) => found,
            None => self.measure(),
        };
        self.learn(&found)?;
        for spec in &self.known {
            let measured = found.0.iter().find(|measured| measured.spec.key == spec.key);
            match measured.map(|measured| &measured.value) {
                Some(Ok(value)) => out.push(&self.device, &spec.key, *value),
                Some(Err(why)) => out.push_bad(&self.device, &spec.key, why),
                None => out.push_bad(&self.device, &spec.key, "it is not there any more"),
            }
        }
        Ok(())
    }

    async fn command(&mut self, command: &Command) -> Outcome {
        if command.name != command::SET_INTERVAL {
            return Outcome::Refused(format!(
                "{} is not a command of this device; it knows {}",
                command.name,
                command::SET_INTERVAL
            ));
        }
        match command::asked(&command.params) {
            Ok(ms) => self.set_interval(ms),
            Err(wrong) => Outcome::Refused(wrong),
        }
    }
}

impl Host {
    fn measure(&mut self) -> Findings {
        let mut found = Findings::default();
        cpu::refresh(&mut self.system);
        cpu::measure(&self.system, &mut found);
        memory::measure(&mut self.system, &mut found);
        disk::measure(&mut self.disks, &mut found);
        self.traffic.measure(&mut found);
        sysfs::measure(&self.config.sys_root, &mut found);
        found
    }

    /// Announces what was not known yet: a disk that was mounted, an interface that came.
    fn learn(&mut self, found: &Findings) -> Result<(), PollError> {
        let room = MOST_SENSORS.saturating_sub(self.known.len());
        let new = found
            .0
            .iter()
            .filter(|Measured { spec, .. }| !self.known.iter().any(|known| known.key == spec.key));
        let new: Vec<SensorSpec> = new.take(room).map(|measured| measured.spec.clone()).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.known.extend(new);
        self.announce()
    }

    fn announce(&self) -> Result<(), PollError> {
        let mut spec = self.about.clone();
        spec.sensors.clone_from(&self.known);
        self.cx.announce(spec).map(drop).map_err(|e| PollError::retry(e.to_string()))
    }

    fn set_interval(&self, ms: u64) -> Outcome {
        self.cx.schedule.set(Duration::from_millis(ms));
        self.cx.keep(command::keep(ms, &self.config));
        // The device is stale after three intervals, so it is told the new one.
        match self.announce() {
            Ok(()) => Outcome::Done(json!({"interval_ms": ms})),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
