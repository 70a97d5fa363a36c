//! Changes of what is known beside readings, as statements.

use std::collections::BTreeMap;

use iot_core::domain::{
    CommandRecord, Device, DeviceNo, InstanceRecord, PluginRecord, Sensor, Timestamp, TokenRecord,
};
use iot_core::port::{Change, CursorMove};

use super::rows::json;
use super::statement::Script;

/// Audit entries are kept for 90 days. Commands are forgotten a day after they were made, and with
/// them what is audited so much earlier.
const AUDIT: i64 = 89 * 24 * 3600 * 1_000_000;
/// The most audit entries that are kept, whatever their age: the table has no other bound.
const AUDITED: i64 = 100_000;

/// Whether a change removes readings: those that came before it, in its own commit too.
pub(super) fn removes(change: &Change) -> bool {
    matches!(change, Change::RemoveReadings { .. } | Change::RemoveDevice { history: true, .. })
}

/// Whether a change has to read before it writes; those are written elsewhere.
pub(super) fn reads(change: &Change) -> bool {
    removes(change) || matches!(change, Change::CorrectTime(..))
}

/// The core has a change that this store does not know yet: the commit must not seem to hold it.
pub(super) fn unknown(change: &Change) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the change {change:?} is not known to this store"))
}

/// Adds a change's statements.
pub(super) fn write(script: &mut Script, change: &Change) -> Result<(), sqlx::Error> {
    match change {
        Change::PutDevice(device) => put_device(script, device),
        Change::PutSensor(sensor) => put_sensor(script, sensor),
        Change::RemoveDevice { no, .. } => {
            script.add("UPDATE device SET removed = 1 WHERE id = ?").bind(i64::from(no.0));
        }
        Change::PutInstance(instance) => put_instance(script, instance),
        Change::RemoveInstance(name) => {
            script.add("DELETE FROM instance WHERE name = ?").bind(name.as_str().to_owned());
            script.add("DELETE FROM instance_state WHERE name = ?").bind(name.as_str().to_owned());
        }
        Change::KeepState(name, state) => {
            script
                .add(
                    "INSERT OR REPLACE INTO instance_state (name, version, bytes) VALUES (?, ?, ?)",
                )
                .bind(name.as_str().to_owned())
                .bind(i64::from(state.version))
                .bind(state.bytes.to_vec());
        }
        Change::PutPlugin(plugin) => put_plugin(script, plugin),
        Change::PutSetting(key, Some(value)) => {
            script
                .add("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)")
                .bind(key.word())
                .bind(value.to_string());
        }
        Change::PutSetting(key, None) => {
            script.add("DELETE FROM setting WHERE key = ?").bind(key.word());
        }
        Change::PutToken(token) => put_token(script, token),
        Change::RemoveToken(hash) => {
            script.add("DELETE FROM token WHERE hash = ?").bind(hash.0.clone());
        }
        Change::PutCommand(command) => put_command(script, command),
        Change::ForgetCommands(before) => {
            script
                .add("DELETE FROM command WHERE created < ? AND state NOT IN ('queued', 'sent')")
                .bind(before.as_micros());
            script
                .add("DELETE FROM audit WHERE at < ?")
                .bind(before.as_micros().saturating_sub(AUDIT));
            script
                .add(
                    "DELETE FROM audit WHERE id <= \
                     (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)",
                )
                .bind(AUDITED);
        }
        Change::DeviceState(no, state) => {
            script
                .add("UPDATE device SET state = ? WHERE id = ?")
                .bind(state.word())
                .bind(i64::from(no.0));
        }
        Change::Audit(entry) => {
            script
                .add(
                    "INSERT INTO audit (at, principal, action, target, outcome, detail) \
                     VALUES (?, ?, ?, ?, ?, ?)",
                )
                .bind(entry.at.as_micros())
                .bind(entry.principal.clone())
                .bind(entry.action.clone())
                .bind(entry.target.clone())
                .bind(entry.outcome.clone())
                .bind(entry.detail.clone());
        }
        Change::RemoveCursor(name) => {
            script.add("DELETE FROM cursor WHERE name = ?").bind(name.0.to_string());
        }
        other => return Err(unknown(other)),
    }
    Ok(())
}

fn put_device(script: &mut Script, device: &Device) {
    script
        .add(
            "INSERT INTO device (id, device_id, hardware, name, kind, home, manufacturer, model, \
             area, labels, icon, attributes, commands, first_seen, removed) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET hardware = excluded.hardware, name = excluded.name, \
             kind = excluded.kind, home = excluded.home, manufacturer = excluded.manufacturer, \
             model = excluded.model, area = excluded.area, labels = excluded.labels, \
             icon = excluded.icon, attributes = excluded.attributes, \
             commands = excluded.commands, first_seen = excluded.first_seen, \
             removed = excluded.removed",
        )
        .bind(i64::from(device.no.0))
        .bind(device.id.as_str().to_owned())
        .bind(device.hardware.clone())
        .bind(device.name.clone())
        .bind(device.kind.clone())
        .bind(device.home.to_string())
        .bind(device.manufacturer.clone())
        .bind(device.model.clone())
        .bind(device.area.clone())
        .bind(json(&device.labels))
        .bind(device.icon.clone())
        .bind(json(&device.attributes))
        .bind(json(&device.commands))
        .bind(device.first_seen.as_micros())
        .bind(device.removed);
}

fn put_sensor(script: &mut Script, sensor: &Sensor) {
    script
        .add(
            "INSERT INTO sensor (id, device, key, name, type, unit, display_unit, precision, class, \
             resolution, scale, offset, retention_days) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET device = excluded.device, key = excluded.key, \
             name = excluded.name, type = excluded.type, unit = excluded.unit, \
             display_unit = excluded.display_unit, precision = excluded.precision, \
             class = excluded.class, resolution = excluded.resolution, scale = excluded.scale, \
             offset = excluded.offset, retention_days = excluded.retention_days",
        )
        .bind(i64::from(sensor.no.0))
        .bind(i64::from(sensor.device_no.0))
        .bind(sensor.id.key.as_str().to_owned())
        .bind(sensor.name.clone())
        .bind(sensor.value_type.word())
        .bind(sensor.unit.clone())
        .bind(sensor.display_unit.clone())
        .bind(sensor.precision.map(i64::from))
        .bind(sensor.class.clone())
        .bind(sensor.resolution)
        .bind(sensor.calibration.map(|c| c.scale))
        .bind(sensor.calibration.map(|c| c.offset))
        .bind(sensor.retention_days.map(i64::from));
}

fn put_instance(script: &mut Script, instance: &InstanceRecord) {
    script
        .add(
            "INSERT OR REPLACE INTO instance (name, kind, config, origin, enabled) \
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(instance.name.as_str().to_owned())
        .bind(instance.kind.as_str().to_owned())
        .bind(instance.config.to_string())
        .bind(instance.origin.word())
        .bind(instance.enabled);
}

fn put_plugin(script: &mut Script, plugin: &PluginRecord) {
    script
        .add(
            "INSERT OR REPLACE INTO plugin (kind, version, door, path, hash, grants, state, \
             last_error, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(plugin.kind.as_str().to_owned())
        .bind(plugin.version.clone())
        .bind(plugin.door.clone())
        .bind(plugin.path.clone())
        .bind(plugin.hash.clone())
        .bind(plugin.grants.to_string())
        .bind(plugin.state.clone())
        .bind(plugin.last_error.clone())
        .bind(plugin.first_seen.as_micros())
        .bind(plugin.last_seen.as_micros());
}

fn put_token(script: &mut Script, token: &TokenRecord) {
    script
        .add(
            "INSERT OR REPLACE INTO token (hash, kind, name, role, scope, created, expires) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(token.hash.0.clone())
        .bind(token.kind.word())
        .bind(token.name.clone())
        .bind(token.role.word())
        .bind(json(&token.scope))
        .bind(token.created.as_micros())
        .bind(token.expires.map(Timestamp::as_micros));
}

/// A command that is over stays as it ended, whatever comes later.
fn put_command(script: &mut Script, command: &CommandRecord) {
    script
        .add(
            "INSERT INTO command (command_id, device_id, name, params, state, by, created, \
             deadline, result, error, may_have_run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (command_id) DO UPDATE SET state = excluded.state, \
             deadline = excluded.deadline, result = excluded.result, error = excluded.error, \
             may_have_run = excluded.may_have_run WHERE command.state IN ('queued', 'sent')",
        )
        .bind(command.id.as_str().to_owned())
        .bind(command.device_id.as_str().to_owned())
        .bind(command.name.clone())
        .bind(command.params.to_string())
        .bind(command.state.word())
        .bind(command.by.clone())
        .bind(command.created.as_micros())
        .bind(command.deadline.as_micros())
        .bind(command.result.as_ref().map(ToString::to_string))
        .bind(command.error.clone())
        .bind(command.may_have_run);
}

/// Cursors that moved, in one statement for all.
pub(super) fn cursors(script: &mut Script, moves: &[CursorMove]) {
    if moves.is_empty() {
        return;
    }
    let rows: Vec<_> = moves
        .iter()
        .map(|m| (&*m.name.0, m.seq.0, m.began.0, m.acknowledged, m.filtered, m.dropped))
        .collect();
    script
        .add(
            "INSERT OR REPLACE INTO cursor (name, seq, began, acknowledged, filtered, dropped) \
             SELECT j.value->>0, j.value->>1, j.value->>2, j.value->>3, j.value->>4, j.value->>5 \
             FROM json_each(?) AS j",
        )
        .bind(json(&rows));
}

/// When devices were last heard, in one statement for all.
pub(super) fn seen(script: &mut Script, seen: &[(DeviceNo, Timestamp)]) {
    if seen.is_empty() {
        return;
    }
    // One row a device: of several matches UPDATE FROM would take any.
    let rows: BTreeMap<u32, i64> = seen.iter().map(|(no, at)| (no.0, at.as_micros())).collect();
    let rows: Vec<(u32, i64)> = rows.into_iter().collect();
    script
        .add(
            "UPDATE device SET last_seen = j.value->>1 FROM json_each(?) AS j \
             WHERE device.id = j.value->>0",
        )
        .bind(json(&rows));
}
