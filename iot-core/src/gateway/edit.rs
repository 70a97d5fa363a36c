//! Changes by hand: of devices, sensors, readings. Each is on disk before it is answered,
//! and leaves a row in the audit.

use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

use super::handle::Handle;
use crate::domain::{
    AuditEntry, Calibration, DeviceId, DeviceSpec, Home, Principal, Sensor, SensorId, TimeRange,
    Timestamp,
};
use crate::pipeline::queue::Ticket;
use crate::pipeline::{DeviceView, SensorView};
use crate::port::{AnnounceError, Change, ConfigError, LogError, LogErrorKind};

const LONGEST_NAME: usize = 64;
const MOST_LABELS: usize = 32;

/// A change by hand was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is nothing to change.
    #[error("there is no {what} {name}")]
    NotFound {
        /// Of what sort.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The new values do not fit.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<ConfigError>),
    /// It is there already, or belongs to somebody else.
    #[error("{0}")]
    Conflict(String),
    /// It is decided elsewhere.
    #[error("{0}")]
    ReadOnly(String),
    /// The store has no room.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store cannot be written now.
    #[error("the store cannot be written now: {0}")]
    Store(String),
}

impl From<LogError> for EditError {
    fn from(error: LogError) -> Self {
        match error.kind {
            LogErrorKind::Full => Self::Full(error.why),
            _ => Self::Store(error.why),
        }
    }
}

/// Tells "leave it" (missing) from "clear it" (`null`).
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}

/// What to change of a device. What is missing is left, `null` clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceEdit {
    /// A name for people, up to 64 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// Where it stands, up to 64 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub area: Option<Option<String>>,
    /// Words to find it by, up to 32 of up to 64 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub labels: Option<Option<Vec<String>>>,
    /// A picture's name.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub icon: Option<Option<String>>,
}

/// What to change of a sensor. What is missing is left, `null` clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorEdit {
    /// A name for people, up to 64 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The unit as a person wants to read it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub display_unit: Option<Option<String>>,
    /// Decimals to show, 0 to 10.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub precision: Option<Option<u8>>,
    /// What it measures.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub class: Option<Option<String>>,
    /// Laid over each value that arrives from now on.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Option<Calibration>>,
    /// Days that its readings are kept.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<Option<u32>>,
}

/// A device made by hand.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Its identity.
    pub device_id: DeviceId,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Who made it.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// What it is called by who made it.
    #[serde(default)]
    pub model: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub area: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub labels: Vec<String>,
    /// A picture's name.
    #[serde(default)]
    pub icon: Option<String>,
}

fn check_text(errors: &mut Vec<ConfigError>, pointer: &str, text: Option<&str>) {
    if let Some(text) = text
        && !(1..=LONGEST_NAME).contains(&text.chars().count())
    {
        errors.push(ConfigError::at(pointer, "must have 1 to 64 characters"));
    }
}

fn check_labels(errors: &mut Vec<ConfigError>, labels: &[String]) {
    if labels.len() > MOST_LABELS {
        errors.push(ConfigError::at("/labels", "must be at most 32 labels"));
    }
    for (n, label) in labels.iter().enumerate() {
        check_text(errors, &format!("/labels/{n}"), Some(label));
    }
}

pub(super) fn checked(errors: Vec<ConfigError>) -> Result<(), EditError> {
    if errors.is_empty() { Ok(()) } else { Err(EditError::Invalid(errors)) }
}

/// Labels in the order they were given, each once.
fn distinct(labels: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    labels.into_iter().filter(|label| seen.insert(label.clone())).collect()
}

/// What changed, for the audit.
fn as_json(edit: &impl Serialize) -> Option<String> {
    serde_json::to_string(edit).ok()
}

fn none(what: &'static str, name: &impl ToString) -> EditError {
    EditError::NotFound { what, name: name.to_string() }
}

/// Waits until a change is on disk.
pub(super) async fn on_disk(ticket: Option<Ticket>) -> Result<(), EditError> {
    let mut ticket =
        ticket.ok_or_else(|| EditError::Store("the gateway is stopping".to_owned()))?;
    Ok(ticket.committed().await?)
}

impl Handle {
    /// Refuses a change while the store fails, before anything of it is done.
    pub(super) fn writable(&self) -> Result<(), EditError> {
        self.shared.failing.load_full().map_or(Ok(()), |error| Err(LogError::clone(&error).into()))
    }

    /// Refuses a removal while the store fails for another reason than that it is full: removals
    /// are what frees it.
    fn removable(&self) -> Result<(), EditError> {
        match self.writable() {
            Err(EditError::Full(_)) => Ok(()),
            other => other,
        }
    }

    /// Puts changes on disk, at once.
    pub(super) async fn change(&self, changes: Vec<Change>) -> Result<(), EditError> {
        self.writable()?;
        on_disk(self.shared.queue.change(changes, true)).await
    }

    /// Writes a row of the audit; it rides on the next commit.
    pub async fn audit(
        &self,
        who: &Principal,
        action: &str,
        target: &str,
        outcome: &str,
        detail: Option<String>,
    ) {
        let entry = AuditEntry {
            at: self.clock().wall,
            principal: who.name.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome: outcome.to_owned(),
            detail,
        };
        if self.shared.queue.change(vec![Change::Audit(entry)], false).is_none() {
            tracing::warn!(action, target, "an audit row came after the store was closed");
        }
    }

    /// Makes a device by hand; its home is `api`.
    ///
    /// # Errors
    /// When it is there already, or its values do not fit.
    pub async fn create_device(
        &self,
        who: &Principal,
        new: NewDevice,
    ) -> Result<Arc<DeviceView>, EditError> {
        let mut errors = Vec::new();
        check_text(&mut errors, "/name", new.name.as_deref());
        check_text(&mut errors, "/area", new.area.as_deref());
        check_text(&mut errors, "/manufacturer", new.manufacturer.as_deref());
        check_text(&mut errors, "/model", new.model.as_deref());
        check_text(&mut errors, "/icon", new.icon.as_deref());
        check_labels(&mut errors, &new.labels);
        checked(errors)?;
        self.writable()?;
        if self.device(&new.device_id).is_some() {
            return Err(EditError::Conflict(format!(
                "there is a device {} already",
                new.device_id
            )));
        }
        let mut spec = DeviceSpec::new(new.device_id.as_str());
        spec.name = new.name;
        spec.manufacturer = new.manufacturer;
        spec.model = new.model;
        let now = self.clock().wall;
        let interval = std::time::Duration::from_secs(200);
        let made = self.shared.catalogue.announce(&Home::Api, "api", spec, interval, now);
        let id = made.map_err(|error| match error {
            AnnounceError::Limit { .. } => EditError::Conflict(error.to_string()),
            other => EditError::Conflict(other.to_string()),
        })?;
        self.shared.catalogue.unheard(&id);
        let ticket = self.shared.catalogue.edit(&id, |device| {
            device.area = new.area;
            device.labels = distinct(new.labels);
            device.icon = new.icon;
        });
        on_disk(ticket.flatten()).await?;
        self.audit(who, "device.create", &format!("device:{id}"), "done", None).await;
        self.device(&id).ok_or_else(|| none("device", &id))
    }

    /// Changes what people say of a device.
    ///
    /// # Errors
    /// When there is none, or the new values do not fit.
    pub async fn edit_device(
        &self,
        who: &Principal,
        id: &DeviceId,
        edit: DeviceEdit,
    ) -> Result<Arc<DeviceView>, EditError> {
        let mut errors = Vec::new();
        check_text(&mut errors, "/name", edit.name.as_ref().and_then(Option::as_deref));
        check_text(&mut errors, "/area", edit.area.as_ref().and_then(Option::as_deref));
        check_text(&mut errors, "/icon", edit.icon.as_ref().and_then(Option::as_deref));
        check_labels(
            &mut errors,
            edit.labels.as_ref().and_then(Option::as_deref).unwrap_or_default(),
        );
        checked(errors)?;
        self.writable()?;
        let detail = as_json(&edit);
        let ticket = self.shared.catalogue.edit(id, |device| {
            if let Some(name) = edit.name {
                device.name = name;
            }
            if let Some(area) = edit.area {
                device.area = area;
            }
            if let Some(labels) = edit.labels {
                device.labels = distinct(labels.unwrap_or_default());
            }
            if let Some(icon) = edit.icon {
                device.icon = icon;
            }
        });
        on_disk(ticket.ok_or_else(|| none("device", id))?).await?;
        self.audit(who, "device.edit", &format!("device:{id}"), "done", detail).await;
        self.device(id).ok_or_else(|| none("device", id))
    }

    /// Gives a device another home.
    ///
    /// # Errors
    /// When there is no such device.
    pub async fn move_device(
        &self,
        who: &Principal,
        id: &DeviceId,
        home: Home,
    ) -> Result<Arc<DeviceView>, EditError> {
        let there = match &home {
            Home::Api => true,
            Home::Instance(name) => self.instances().iter().any(|i| i.record.name == *name),
            Home::Link(_) | Home::MqttListener => self.shared.dispatcher.serves(&home),
        };
        if !there {
            let detail = format!("there is no {home}; GET instances lists the instances");
            return Err(EditError::Invalid(vec![ConfigError::at("/home", detail)]));
        }
        self.writable()?;
        let detail = home.to_string();
        let ticket = self.shared.catalogue.edit(id, |device| device.home = home);
        on_disk(ticket.ok_or_else(|| none("device", id))?).await?;
        self.audit(who, "device.move", &format!("device:{id}"), "done", Some(detail)).await;
        self.device(id).ok_or_else(|| none("device", id))
    }

    /// Deletes a device, with its readings or without. Its id stays taken.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove_device(
        &self,
        who: &Principal,
        id: &DeviceId,
        history: bool,
    ) -> Result<(), EditError> {
        self.removable()?;
        let ticket = self.shared.catalogue.remove(id, history);
        on_disk(ticket.ok_or_else(|| none("device", id))?).await?;
        let detail = if history { "with its readings" } else { "its readings stay" };
        let target = format!("device:{id}");
        self.audit(who, "device.delete", &target, "done", Some(detail.to_owned())).await;
        Ok(())
    }

    /// Changes what people say of a sensor.
    ///
    /// # Errors
    /// When there is none, or the new values do not fit.
    pub async fn edit_sensor(
        &self,
        who: &Principal,
        id: &SensorId,
        edit: SensorEdit,
    ) -> Result<Arc<SensorView>, EditError> {
        let mut errors = Vec::new();
        check_text(&mut errors, "/name", edit.name.as_ref().and_then(Option::as_deref));
        check_text(
            &mut errors,
            "/display_unit",
            edit.display_unit.as_ref().and_then(Option::as_deref),
        );
        check_text(&mut errors, "/class", edit.class.as_ref().and_then(Option::as_deref));
        if edit.precision.flatten().is_some_and(|p| p > 10) {
            errors.push(ConfigError::at("/precision", "must lie between 0 and 10"));
        }
        if edit.retention_days.flatten().is_some_and(|d| !(1..=36_500).contains(&d)) {
            errors.push(ConfigError::at("/retention_days", "must lie between 1 and 36500"));
        }
        if let Some(Some(c)) = edit.calibration
            && !((1e-12..=1e12).contains(&c.scale.abs()) && c.offset.abs() <= 1e12)
        {
            let detail =
                "scale must lie between 1e-12 and 1e12 either side of 0, offset within 1e12";
            errors.push(ConfigError::at("/calibration", detail));
        }
        checked(errors)?;
        self.writable()?;
        let detail = as_json(&edit);
        let ticket = self.shared.catalogue.edit_sensor(id, |sensor| apply(sensor, edit));
        on_disk(ticket.ok_or_else(|| none("sensor", id))?).await?;
        self.audit(who, "sensor.edit", &format!("sensor:{id}"), "done", detail).await;
        self.sensor(id).ok_or_else(|| none("sensor", id))
    }

    /// Removes readings of a sensor by hand.
    ///
    /// # Errors
    /// When there is no such sensor.
    pub async fn remove_readings(
        &self,
        who: &Principal,
        id: &SensorId,
        range: TimeRange,
    ) -> Result<(), EditError> {
        let view = self.sensor(id).ok_or_else(|| none("sensor", id))?;
        let sensor = view.sensor.no;
        self.removable()?;
        on_disk(self.shared.queue.change(vec![Change::RemoveReadings { sensor, range }], true))
            .await?;
        if let Ok(newest) = self.history().latest_before(sensor, Timestamp::MAX).await {
            self.shared.latest.removed(sensor, range, newest);
        }
        let detail = format!("[{}, {})", range.from, range.to);
        self.audit(who, "readings.delete", &format!("sensor:{id}"), "done", Some(detail)).await;
        Ok(())
    }
}

fn apply(sensor: &mut Sensor, edit: SensorEdit) {
    if let Some(name) = edit.name {
        sensor.name = name;
    }
    if let Some(unit) = edit.display_unit {
        sensor.display_unit = unit;
    }
    if let Some(precision) = edit.precision {
        sensor.precision = precision;
    }
    if let Some(class) = edit.class {
        sensor.class = class;
    }
    if let Some(calibration) = edit.calibration {
        sensor.calibration = calibration;
    }
    if let Some(days) = edit.retention_days {
        sensor.retention_days = days;
    }
}
