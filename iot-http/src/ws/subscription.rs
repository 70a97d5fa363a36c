//! What a socket wants to hear, and what of it its principal may see.

use std::collections::HashSet;

use iot_core::domain::{Action, DeviceId, Principal, Reading, Scope, SensorId, Target};
use iot_core::pipeline::{DeviceView, SensorView};

use crate::problem::{Kind, Problem};
use crate::state::App;

/// The most subscriptions of one socket.
const MOST: usize = 64;

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    id: u64,
    all: bool,
    devices: HashSet<DeviceId>,
    sensors: HashSet<SensorId>,
    readings: bool,
}

impl Wish {
    /// Reads what a client asked for: `*`, ids of devices, ids of sensors.
    pub(super) fn read(
        id: u64,
        devices: &[String],
        sensors: &[String],
        readings: bool,
    ) -> Result<Self, Problem> {
        if devices.is_empty() && sensors.is_empty() {
            let detail = "name `devices` or `sensors`; `[\"*\"]` is all of them";
            return Err(Problem::field(Kind::Invalid, "/devices", detail));
        }
        let mut wish =
            Self { id, all: false, devices: HashSet::new(), sensors: HashSet::new(), readings };
        for (n, text) in devices.iter().enumerate() {
            if text == "*" {
                wish.all = true;
                continue;
            }
            let device = DeviceId::parse(text);
            wish.devices.insert(device.map_err(|e| {
                Problem::field(Kind::Invalid, &format!("/devices/{n}"), e.to_string())
            })?);
        }
        for (n, text) in sensors.iter().enumerate() {
            if text == "*" {
                wish.all = true;
                continue;
            }
            let sensor = SensorId::parse(text);
            wish.sensors.insert(sensor.map_err(|e| {
                Problem::field(Kind::Invalid, &format!("/sensors/{n}"), e.to_string())
            })?);
        }
        Ok(wish)
    }

    /// Devices that are named, for the question whether they may be seen.
    fn named(&self) -> impl Iterator<Item = &DeviceId> {
        self.devices.iter().chain(self.sensors.iter().map(|id| &id.device))
    }

    fn wants_device(&self, id: &DeviceId) -> bool {
        self.all
            || self.devices.contains(id)
            || self.sensors.iter().any(|sensor| sensor.device == *id)
    }

    fn wants_reading(&self, id: &SensorId) -> bool {
        self.readings
            && (self.all || self.devices.contains(&id.device) || self.sensors.contains(id))
    }
}

/// All that a socket wants, within what it may see.
#[derive(Debug)]
pub(super) struct Wishes {
    /// The devices it may see; none for all.
    scope: Option<HashSet<DeviceId>>,
    wishes: Vec<Wish>,
}

impl Wishes {
    pub(super) fn new(who: &Principal) -> Self {
        let scope = match &who.scope {
            Scope::All => None,
            Scope::Devices(devices) => Some(devices.iter().cloned().collect()),
        };
        Self { scope, wishes: Vec::new() }
    }

    /// Adds a subscription, or puts another in the place of one with its id.
    pub(super) async fn add(
        &mut self,
        app: &App,
        who: &Principal,
        wish: Wish,
    ) -> Result<(), Problem> {
        app.allow(who, Action::Read, Target::Gateway).await?;
        for device in wish.named() {
            app.allow(who, Action::Read, Target::Device(device)).await?;
        }
        self.remove(wish.id);
        if self.wishes.len() >= MOST {
            return Err(Problem::new(Kind::TooMany, "a socket may have 64 subscriptions"));
        }
        self.wishes.push(wish);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.wishes.retain(|wish| wish.id != id);
    }

    /// Whether every batch is wanted whole, so that its one rendering serves.
    pub(super) fn is_everything(&self) -> bool {
        self.scope.is_none() && self.wishes.iter().any(|wish| wish.all && wish.readings)
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    fn may_see(&self, id: &DeviceId) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(id))
    }

    pub(super) fn wants_device(&self, id: &DeviceId) -> bool {
        self.may_see(id) && self.wishes.iter().any(|wish| wish.wants_device(id))
    }

    pub(super) fn wants_reading(&self, reading: &Reading) -> bool {
        self.wants_sensor(&reading.sensor.id)
    }

    pub(super) fn wants_sensor(&self, id: &SensorId) -> bool {
        self.may_see(&id.device) && self.wishes.iter().any(|wish| wish.wants_reading(id))
    }

    /// These alone, with the same scope.
    pub(super) fn alone(&self, wish: Wish) -> Self {
        Self { scope: self.scope.clone(), wishes: vec![wish] }
    }

    /// What of a device's sensors is wanted.
    pub(super) fn sensors_of<'a>(
        &self,
        view: &'a DeviceView,
    ) -> impl Iterator<Item = &'a SensorView> {
        view.sensors.iter().map(|s| &**s).filter(move |s| self.wants_sensor(&s.sensor.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(devices: &[&str], sensors: &[&str], readings: bool) -> Result<Wish, Problem> {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        Wish::read(1, &own(devices), &own(sensors), readings)
    }

    #[test]
    fn a_sensor_brings_its_device_and_nothing_else_of_it() {
        let wish = read(&[], &["attic.t"], true).unwrap();
        let [attic, cellar] = ["attic", "cellar"].map(|id| DeviceId::parse(id).unwrap());
        assert!(wish.wants_device(&attic) && !wish.wants_device(&cellar));
        assert!(wish.wants_reading(&SensorId::parse("attic.t").unwrap()));
        assert!(!wish.wants_reading(&SensorId::parse("attic.h").unwrap()));
        let states = read(&["*"], &[], false).unwrap();
        assert!(states.wants_device(&cellar));
        assert!(!states.wants_reading(&SensorId::parse("attic.t").unwrap()));
    }

    #[test]
    fn nothing_and_nonsense_are_refused_by_name() {
        assert!(read(&[], &[], true).is_err());
        let wrong = read(&["attic", "+/#"], &[], true).unwrap_err();
        assert_eq!(wrong.errors[0].pointer, "/devices/1");
        assert!(read(&[], &["attic"], true).is_err());
    }
}
