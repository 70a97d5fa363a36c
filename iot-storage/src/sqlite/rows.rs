//! Rows of the registry's tables to the core's records.

use iot_core::domain::{
    AuditEntry, Calibration, CommandId, CommandRecord, CommandState, Device, DeviceId, DeviceNo,
    Home, InstanceName, InstanceRecord, KindName, Origin, PluginRecord, Role, Sensor, SensorId,
    SensorKey, SensorNo, Timestamp, TokenHash, TokenKind, TokenRecord, ValueType,
};
use iot_core::port::StoredDevice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

type Read<T> = Result<T, sqlx::Error>;

/// What is written as JSON cannot fail to be: maps with text keys, lists, numbers.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// What is in the database was right when it was written; that it is not now names its column.
fn wrong(column: &str, why: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.to_string().into() }
}

fn from_json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Read<T> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| wrong(column, error))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(row: &SqliteRow, column: &str) -> Read<T> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| wrong(column, error))
}

fn time(row: &SqliteRow, column: &str) -> Read<Timestamp> {
    row.try_get(column).map(Timestamp::from_micros)
}

fn number(row: &SqliteRow, column: &str) -> Read<u32> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|error| wrong(column, error))
}

fn word<T: Copy>(row: &SqliteRow, column: &str, all: &[T], of: fn(T) -> &'static str) -> Read<T> {
    let text: String = row.try_get(column)?;
    all.iter()
        .copied()
        .find(|one| of(*one) == text)
        .ok_or_else(|| wrong(column, format!("the word {text} is not known")))
}

pub(super) fn device(row: &SqliteRow) -> Read<StoredDevice> {
    let home: String = row.try_get("home")?;
    Ok(StoredDevice {
        device: Device {
            no: DeviceNo(number(row, "id")?),
            id: parsed::<DeviceId>(row, "device_id")?,
            hardware: row.try_get("hardware")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            home: Home::parse(&home).map_err(|error| wrong("home", error))?,
            manufacturer: row.try_get("manufacturer")?,
            model: row.try_get("model")?,
            area: row.try_get("area")?,
            labels: from_json(row, "labels")?,
            icon: row.try_get("icon")?,
            attributes: from_json(row, "attributes")?,
            first_seen: time(row, "first_seen")?,
            commands: from_json(row, "commands")?,
            removed: row.try_get("removed")?,
        },
        last_seen: row.try_get::<Option<i64>, _>("last_seen")?.map(Timestamp::from_micros),
    })
}

pub(super) fn sensor(row: &SqliteRow) -> Read<Sensor> {
    let scale: Option<f64> = row.try_get("scale")?;
    let offset: Option<f64> = row.try_get("offset")?;
    let precision: Option<i64> = row.try_get("precision")?;
    let days: Option<i64> = row.try_get("retention_days")?;
    Ok(Sensor {
        no: SensorNo(number(row, "id")?),
        device_no: DeviceNo(number(row, "device")?),
        id: SensorId {
            device: parsed::<DeviceId>(row, "device_id")?,
            key: parsed::<SensorKey>(row, "key")?,
        },
        name: row.try_get("name")?,
        value_type: word(
            row,
            "type",
            &[ValueType::Number, ValueType::Bool, ValueType::Text],
            ValueType::word,
        )?,
        unit: row.try_get("unit")?,
        display_unit: row.try_get("display_unit")?,
        precision: precision.and_then(|p| u8::try_from(p).ok()),
        class: row.try_get("class")?,
        resolution: row.try_get("resolution")?,
        calibration: scale.zip(offset).map(|(scale, offset)| Calibration { scale, offset }),
        retention_days: days.and_then(|d| u32::try_from(d).ok()),
    })
}

pub(super) fn instance(row: &SqliteRow) -> Read<InstanceRecord> {
    Ok(InstanceRecord {
        name: parsed::<InstanceName>(row, "name")?,
        kind: parsed::<KindName>(row, "kind")?,
        config: from_json(row, "config")?,
        origin: word(
            row,
            "origin",
            &[Origin::File, Origin::Api, Origin::Plugin, Origin::Code],
            Origin::word,
        )?,
        enabled: row.try_get("enabled")?,
    })
}

pub(super) fn plugin(row: &SqliteRow) -> Read<PluginRecord> {
    Ok(PluginRecord {
        kind: parsed::<KindName>(row, "kind")?,
        version: row.try_get("version")?,
        door: row.try_get("door")?,
        path: row.try_get("path")?,
        hash: row.try_get("hash")?,
        grants: from_json(row, "grants")?,
        state: row.try_get("state")?,
        last_error: row.try_get("last_error")?,
        first_seen: time(row, "first_seen")?,
        last_seen: time(row, "last_seen")?,
    })
}

pub(super) fn token(row: &SqliteRow) -> Read<TokenRecord> {
    let kinds = [TokenKind::Api, TokenKind::Session, TokenKind::Link];
    let roles = [Role::Viewer, Role::Operator, Role::Admin];
    Ok(TokenRecord {
        hash: TokenHash(row.try_get("hash")?),
        kind: word(row, "kind", &kinds, TokenKind::word)?,
        name: row.try_get("name")?,
        role: word(row, "role", &roles, Role::word)?,
        scope: from_json(row, "scope")?,
        created: time(row, "created")?,
        expires: row.try_get::<Option<i64>, _>("expires")?.map(Timestamp::from_micros),
    })
}

pub(super) fn command(row: &SqliteRow) -> Read<CommandRecord> {
    let states = [
        CommandState::Queued,
        CommandState::Sent,
        CommandState::Done,
        CommandState::Failed,
        CommandState::Refused,
        CommandState::TimedOut,
    ];
    let result: Option<String> = row.try_get("result")?;
    Ok(CommandRecord {
        id: parsed::<CommandId>(row, "command_id")?,
        device_id: parsed::<DeviceId>(row, "device_id")?,
        name: row.try_get("name")?,
        params: from_json(row, "params")?,
        state: word(row, "state", &states, CommandState::word)?,
        by: row.try_get("by")?,
        created: time(row, "created")?,
        deadline: time(row, "deadline")?,
        result: result
            .map(|text| serde_json::from_str(&text).map_err(|error| wrong("result", error)))
            .transpose()?,
        error: row.try_get("error")?,
        may_have_run: row.try_get("may_have_run")?,
    })
}

pub(super) fn audit(row: &SqliteRow) -> Read<AuditEntry> {
    Ok(AuditEntry {
        at: time(row, "at")?,
        principal: row.try_get("principal")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        outcome: row.try_get("outcome")?,
        detail: row.try_get("detail")?,
    })
}
