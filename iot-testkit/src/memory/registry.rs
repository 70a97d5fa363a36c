//! The registry in memory.

use async_trait::async_trait;
use iot_core::domain::{
    AuditEntry, BootId, CommandId, CommandRecord, DeviceId, InstanceName, InstanceRecord,
    PluginRecord, Sensor, SettingKey, State, TokenHash, TokenRecord,
};
use iot_core::port::{Page, Registry, RegistryError, StoredDevice};

use super::Memory;

type Read<T> = Result<T, RegistryError>;

/// A page of a list, newest first; the key is the place in the list.
fn page<T: Clone>(
    all: &[T],
    after: Option<i64>,
    limit: usize,
    fits: impl Fn(&T) -> bool,
) -> Page<T> {
    let end = after.and_then(|n| usize::try_from(n).ok()).unwrap_or(all.len()).min(all.len());
    let mut found = all[..end].iter().enumerate().rev().filter(|(_, item)| fits(item));
    let items: Vec<(usize, T)> = found.by_ref().take(limit).map(|(n, i)| (n, i.clone())).collect();
    let more = found.next().is_some();
    let last = items.last().map(|(n, _)| *n);
    let next = last.filter(|_| more).and_then(|n| i64::try_from(n).ok());
    Page { items: items.into_iter().map(|(_, item)| item).collect(), next }
}

#[async_trait]
impl Registry for Memory {
    async fn devices(&self) -> Read<Vec<StoredDevice>> {
        Ok(self.lock().devices.values().cloned().collect())
    }

    async fn sensors(&self) -> Read<Vec<Sensor>> {
        Ok(self.lock().sensors.values().cloned().collect())
    }

    async fn instances(&self) -> Read<Vec<InstanceRecord>> {
        Ok(self.lock().instances.values().cloned().collect())
    }

    async fn state(&self, instance: &InstanceName) -> Read<State> {
        Ok(self.lock().states.get(instance).cloned().unwrap_or_default())
    }

    async fn plugins(&self) -> Read<Vec<PluginRecord>> {
        Ok(self.lock().plugins.values().cloned().collect())
    }

    async fn settings(&self) -> Read<Vec<(SettingKey, serde_json::Value)>> {
        Ok(self.lock().settings.iter().map(|(k, v)| (*k, v.clone())).collect())
    }

    async fn tokens(&self) -> Read<Vec<TokenRecord>> {
        Ok(self.lock().tokens.values().cloned().collect())
    }

    async fn token(&self, hash: &TokenHash) -> Read<Option<TokenRecord>> {
        Ok(self.lock().tokens.get(&hash.0).cloned())
    }

    async fn command(&self, id: &CommandId) -> Read<Option<CommandRecord>> {
        Ok(self.lock().commands.iter().find(|c| c.id == *id).cloned())
    }

    async fn commands(
        &self,
        device: Option<&DeviceId>,
        after: Option<i64>,
        limit: usize,
    ) -> Read<Page<CommandRecord>> {
        let fits = |c: &CommandRecord| device.is_none_or(|device| c.device_id == *device);
        Ok(page(&self.lock().commands, after, limit, fits))
    }

    async fn open_commands(&self) -> Read<Vec<CommandRecord>> {
        let contents = self.lock();
        Ok(contents.commands.iter().filter(|c| !c.state.is_over()).cloned().collect())
    }

    async fn audit(&self, after: Option<i64>, limit: usize) -> Read<Page<AuditEntry>> {
        Ok(page(&self.lock().audit, after, limit, |_| true))
    }

    async fn corrections(&self) -> Read<Vec<(BootId, i64)>> {
        Ok(self.lock().corrections.iter().map(|(b, o)| (*b, *o)).collect())
    }

    async fn gateway_id(&self) -> Read<String> {
        Ok("gw-memory".to_owned())
    }
}
