//! The registry port: plain tables, read by name.

use std::sync::Arc;

use async_trait::async_trait;
use iot_core::domain::{
    AuditEntry, BootId, CommandId, CommandRecord, DeviceId, InstanceName, InstanceRecord,
    PluginRecord, Sensor, SettingKey, State, TokenHash, TokenRecord,
};
use iot_core::port::{Page, Registry, RegistryError, StoredDevice};
use serde_json::Value as Json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::shared::Shared;
use super::{corrected, error, rows};

type Asked<T> = Result<T, RegistryError>;

/// The rows of a query as records.
fn records<T>(
    rows: Result<Vec<SqliteRow>, sqlx::Error>,
    read: fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Asked<Vec<T>> {
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(|e| error::registry(&e))
}

/// A page out of rows that hold one more than was asked for, each with its key in column `id`.
fn page<T>(
    rows: Result<Vec<SqliteRow>, sqlx::Error>,
    limit: usize,
    read: fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Asked<Page<T>> {
    let make = || {
        let mut rows = rows?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some(last) if more => Some(last.try_get("id")?),
            _ => None,
        };
        Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, next })
    };
    make().map_err(|e: sqlx::Error| error::registry(&e))
}

/// One row more than asked for says whether there are more.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

#[async_trait]
impl Registry for Shared {
    async fn devices(&self) -> Asked<Vec<StoredDevice>> {
        let all = sqlx::query("SELECT * FROM device ORDER BY id").fetch_all(&self.readers).await;
        records(all, rows::device)
    }

    async fn sensors(&self) -> Asked<Vec<Sensor>> {
        let all = sqlx::query(
            "SELECT s.*, d.device_id FROM sensor s JOIN device d ON d.id = s.device ORDER BY s.id",
        )
        .fetch_all(&self.readers)
        .await;
        records(all, rows::sensor)
    }

    async fn instances(&self) -> Asked<Vec<InstanceRecord>> {
        let all =
            sqlx::query("SELECT * FROM instance ORDER BY name").fetch_all(&self.readers).await;
        records(all, rows::instance)
    }

    async fn state(&self, instance: &InstanceName) -> Asked<State> {
        let row = sqlx::query("SELECT version, bytes FROM instance_state WHERE name = ?")
            .bind(instance.as_str())
            .fetch_optional(&self.readers)
            .await;
        let read = |row: Option<SqliteRow>| {
            let Some(row) = row else { return Ok(State::none()) };
            let version = row.try_get::<i64, _>(0)? as u32;
            Ok(State { version, bytes: Arc::from(row.try_get::<Vec<u8>, _>(1)?) })
        };
        row.and_then(read).map_err(|e| error::registry(&e))
    }

    async fn plugins(&self) -> Asked<Vec<PluginRecord>> {
        let all = sqlx::query("SELECT * FROM plugin ORDER BY kind").fetch_all(&self.readers).await;
        records(all, rows::plugin)
    }

    async fn settings(&self) -> Asked<Vec<(SettingKey, Json)>> {
        let all = sqlx::query("SELECT key, value FROM setting ORDER BY key")
            .fetch_all(&self.readers)
            .await;
        let all =
            records(all, |row| Ok((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?)))?;
        // A setting that this version does not know is another version's.
        all.into_iter()
            .filter_map(|(key, value)| SettingKey::parse(&key).map(|key| (key, value)))
            .map(|(key, value)| match serde_json::from_str(&value) {
                Ok(value) => Ok((key, value)),
                Err(error) => {
                    Err(RegistryError { why: format!("the setting {}: {error}", key.word()) })
                }
            })
            .collect()
    }

    async fn tokens(&self) -> Asked<Vec<TokenRecord>> {
        let all = sqlx::query("SELECT * FROM token ORDER BY created, hash")
            .fetch_all(&self.readers)
            .await;
        records(all, rows::token)
    }

    async fn token(&self, hash: &TokenHash) -> Asked<Option<TokenRecord>> {
        let found = sqlx::query("SELECT * FROM token WHERE hash = ?")
            .bind(&hash.0)
            .fetch_all(&self.readers)
            .await;
        Ok(records(found, rows::token)?.pop())
    }

    async fn command(&self, id: &CommandId) -> Asked<Option<CommandRecord>> {
        let found = sqlx::query("SELECT * FROM command WHERE command_id = ?")
            .bind(id.as_str())
            .fetch_all(&self.readers)
            .await;
        Ok(records(found, rows::command)?.pop())
    }

    async fn commands(
        &self,
        device: Option<&DeviceId>,
        after: Option<i64>,
        limit: usize,
    ) -> Asked<Page<CommandRecord>> {
        let query = match device {
            Some(device) => sqlx::query(
                "SELECT * FROM command WHERE device_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            )
            .bind(device.as_str()),
            None => sqlx::query("SELECT * FROM command WHERE id < ? ORDER BY id DESC LIMIT ?"),
        };
        let found = query
            .bind(after.unwrap_or(i64::MAX))
            .bind(one_more(limit))
            .fetch_all(&self.readers)
            .await;
        page(found, limit, rows::command)
    }

    async fn open_commands(&self) -> Asked<Vec<CommandRecord>> {
        let all =
            sqlx::query("SELECT * FROM command WHERE state IN ('queued', 'sent') ORDER BY id")
                .fetch_all(&self.readers)
                .await;
        records(all, rows::command)
    }

    /// How old and how many they may get: `change`, where commands are forgotten.
    async fn audit(&self, after: Option<i64>, limit: usize) -> Asked<Page<AuditEntry>> {
        let found = sqlx::query("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(after.unwrap_or(i64::MAX))
            .bind(one_more(limit))
            .fetch_all(&self.readers)
            .await;
        page(found, limit, rows::audit)
    }

    async fn corrections(&self) -> Asked<Vec<(BootId, i64)>> {
        let read = async {
            let mut reader = self.readers.acquire().await?;
            corrected::all(&mut reader).await
        };
        let mut all: Vec<_> = read.await.map_err(|e| error::registry(&e))?.into_iter().collect();
        all.sort_unstable();
        Ok(all)
    }

    async fn gateway_id(&self) -> Asked<String> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'gateway_id'")
            .fetch_one(&self.readers)
            .await
            .map_err(|e| error::registry(&e))
    }
}
