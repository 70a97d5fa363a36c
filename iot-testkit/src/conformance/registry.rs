//! What every registry promises: what was put is what is read.

use std::sync::Arc;

use iot_core::domain::{
    AuditEntry, Calibration, CommandId, CommandRecord, CommandSpec, CommandState, Device, DeviceId,
    DeviceNo, InstanceName, InstanceRecord, KindName, Origin, Outcome, PluginRecord, Role, Scope,
    Sensor, SettingKey, State, TokenHash, TokenKind, TokenRecord, ValueType,
};
use iot_core::port::{Change, Commit, Store};
use serde_json::{Value as Json, json};

use super::{World, at, device, id, sensor};

/// Runs every clause of the registry against fresh stores.
///
/// # Panics
/// With the name of the clause that does not hold.
pub async fn registry_suite(make: impl AsyncFn() -> Store) {
    devices_and_sensors_come_back_as_they_were(make().await).await;
    last_seen_times_are_kept(make().await).await;
    instances_keep_their_state(make().await).await;
    plugins_settings_and_tokens_come_back(make().await).await;
    a_command_ends_once_and_is_found(make().await).await;
    lists_come_newest_first_in_complete_pages(make().await).await;
    the_gateway_has_one_identity(make().await).await;
}

async fn devices_and_sensors_come_back_as_they_were(store: Store) {
    let name = "devices and sensors come back as they were, changes replace them";
    let mut w = World::new(store, name).await;
    let full = Device {
        no: DeviceNo(2),
        id: id("other"),
        home: iot_core::domain::Home::Link("up".to_owned()),
        commands: vec![CommandSpec {
            name: "set".to_owned(),
            title: Some("Set".to_owned()),
            params: json!({"type": "object"}),
        }],
        removed: true,
        ..device()
    };
    let calibrated = Sensor {
        unit: Some("Cel".to_owned()),
        display_unit: Some("°C".to_owned()),
        precision: Some(2),
        class: Some("temperature".to_owned()),
        resolution: Some(0.0625),
        calibration: Some(Calibration { scale: 1.5, offset: -0.4 }),
        retention_days: Some(30),
        name: Some("Water".to_owned()),
        ..Sensor::clone(&sensor(4_000_000_000, ValueType::Number))
    };
    let renamed = Device { name: None, area: Some("Attic".to_owned()), ..device() };
    w.change(vec![
        Change::PutDevice(Arc::new(full.clone())),
        Change::PutSensor(Arc::new(calibrated.clone())),
        Change::PutDevice(Arc::new(renamed.clone())),
    ])
    .await;
    let devices = w.clause.done(w.store.registry.devices().await);
    w.clause.equal(devices.into_iter().map(|d| d.device).collect(), vec![renamed, full]);
    let mut wanted: Vec<Sensor> = w.sensors.iter().map(|s| Sensor::clone(s)).collect();
    wanted.push(calibrated);
    w.clause.equal(w.clause.done(w.store.registry.sensors().await), wanted);
}

async fn last_seen_times_are_kept(store: Store) {
    let w = World::new(store, "last-seen times ride on commits and survive changes").await;
    let seen = vec![(DeviceNo(1), at(5))];
    let changes = vec![Change::PutDevice(Arc::new(device()))];
    let commit = Commit { first: w.end().plus(1), seen, changes, ..Commit::default() };
    w.clause.done(w.store.log.commit(&commit).await);
    let commit = Commit { first: w.end().plus(1), changes: commit.changes, ..Commit::default() };
    w.clause.done(w.store.log.commit(&commit).await);
    let devices = w.clause.done(w.store.registry.devices().await);
    w.clause.equal(devices[0].last_seen, Some(at(5)));
}

fn instance(w: &World, name: &str) -> InstanceRecord {
    InstanceRecord {
        name: w.clause.done(InstanceName::parse(name)),
        kind: w.clause.done(KindName::parse("w1")),
        config: json!({"interval_ms": 10_000, "nested": [1, null, "ü"]}),
        origin: Origin::Api,
        enabled: true,
    }
}

async fn instances_keep_their_state(store: Store) {
    let name = "an instance keeps its configuration and its plugin's state until it is removed";
    let mut w = World::new(store, name).await;
    let cellar = instance(&w, "cellar");
    let state = State { version: 3, bytes: Arc::from([0_u8, 255, 7]) };
    let read = async |w: &World| w.clause.done(w.store.registry.state(&cellar.name).await);
    w.clause.equal(read(&w).await, State::none());
    w.change(vec![
        Change::PutInstance(cellar.clone()),
        Change::KeepState(cellar.name.clone(), state.clone()),
    ])
    .await;
    let stopped = InstanceRecord { enabled: false, ..cellar.clone() };
    w.change(vec![Change::PutInstance(stopped.clone())]).await;
    w.clause.equal(w.clause.done(w.store.registry.instances().await), vec![stopped]);
    w.clause.equal(read(&w).await, state);
    w.change(vec![Change::RemoveInstance(cellar.name.clone())]).await;
    w.clause.equal(w.clause.done(w.store.registry.instances().await), Vec::new());
    w.clause.equal(read(&w).await, State::none());
}

async fn plugins_settings_and_tokens_come_back(store: Store) {
    let mut w = World::new(store, "plugins, settings and tokens come back as they were").await;
    let plugin = PluginRecord {
        kind: w.clause.done(KindName::parse("w1")),
        version: "0.1.0".to_owned(),
        door: "linked".to_owned(),
        path: None,
        hash: Some("ab".to_owned()),
        grants: json!({}),
        state: "loaded".to_owned(),
        last_error: Some("none yet".to_owned()),
        first_seen: at(1),
        last_seen: at(2),
    };
    let token = |name: &str, scope| TokenRecord {
        hash: TokenHash(format!("hash of {name}")),
        kind: TokenKind::Session,
        name: name.to_owned(),
        role: Role::Operator,
        scope,
        created: at(0),
        expires: (name == "b").then(|| at(9)),
    };
    let a = token("a", Scope::All);
    let b = token("b", Scope::Devices(vec![id("probe")]));
    w.change(vec![
        Change::PutPlugin(plugin.clone()),
        Change::PutSetting(SettingKey::TimeZone, Some(json!("Europe/Berlin"))),
        Change::PutSetting(SettingKey::RetentionDays, Some(Json::Null)),
        Change::PutSetting(SettingKey::Language, Some(json!("ru"))),
        Change::PutToken(a.clone()),
        Change::PutToken(b.clone()),
    ])
    .await;
    w.change(vec![Change::PutSetting(SettingKey::Language, None)]).await;
    w.clause.equal(w.clause.done(w.store.registry.plugins().await), vec![plugin]);
    let mut settings = w.clause.done(w.store.registry.settings().await);
    settings.sort_by_key(|(key, _)| *key);
    let zone = (SettingKey::TimeZone, json!("Europe/Berlin"));
    w.clause.equal(settings, vec![zone, (SettingKey::RetentionDays, Json::Null)]);
    let mut tokens = w.clause.done(w.store.registry.tokens().await);
    tokens.sort_by(|one, other| one.name.cmp(&other.name));
    w.clause.equal(tokens, vec![a.clone(), b.clone()]);
    w.clause.equal(w.clause.done(w.store.registry.token(&b.hash).await), Some(b));
    w.change(vec![Change::RemoveToken(a.hash.clone())]).await;
    w.clause.equal(w.clause.done(w.store.registry.token(&a.hash).await), None);
}

fn command(w: &World, name: &str, device: DeviceId, n: i64) -> CommandRecord {
    CommandRecord {
        id: w.clause.done(CommandId::parse(name)),
        device_id: device,
        name: "set".to_owned(),
        params: json!({"to": 1.5}),
        state: CommandState::Queued,
        by: "local".to_owned(),
        created: at(n),
        deadline: at(n + 10),
        result: None,
        error: None,
        may_have_run: false,
    }
}

async fn a_command_ends_once_and_is_found(store: Store) {
    let name = "a command is found by its id, open ones are known, one that is over stays so";
    let mut w = World::new(store, name).await;
    let queued = command(&w, "c1", id("probe"), 0);
    let Some(sent) = queued.sent() else { return };
    let Some(done) = sent.ended(Outcome::Done(json!({"ok": true}))) else { return };
    let Some(late) = sent.ended(Outcome::Failed("late".to_owned())) else { return };
    for (put, read, open) in [
        (&queued, &queued, vec![queued.clone()]),
        (&sent, &sent, vec![sent.clone()]),
        (&done, &done, Vec::new()),
        (&late, &done, Vec::new()),
    ] {
        w.change(vec![Change::PutCommand(put.clone())]).await;
        let seen = w.clause.done(w.store.registry.command(&queued.id).await);
        w.clause.equal(seen.as_ref(), Some(read));
        w.clause.equal(w.clause.done(w.store.registry.open_commands().await), open);
    }
    w.change(vec![Change::ForgetCommands(at(1))]).await;
    w.clause.equal(w.clause.done(w.store.registry.command(&queued.id).await), None);
}

async fn lists_come_newest_first_in_complete_pages(store: Store) {
    let name = "commands and the audit come newest first, in complete pages";
    let mut w = World::new(store, name).await;
    let entry = |n: i64| AuditEntry {
        at: at(n),
        principal: "local".to_owned(),
        action: "device.edit".to_owned(),
        target: format!("device:{n}"),
        outcome: "done".to_owned(),
        detail: (n % 2 == 0).then(|| "name".to_owned()),
    };
    let commands: Vec<_> = (0..25_i64)
        .map(|n| command(&w, &format!("c{n}"), id(if n % 5 == 0 { "probe" } else { "b" }), n))
        .collect();
    for n in 0..25_i64 {
        let put = commands[usize::try_from(n).unwrap_or(0)].clone();
        w.change(vec![Change::Audit(entry(n)), Change::PutCommand(put)]).await;
    }
    let (mut audit, mut after) = (Vec::new(), None);
    loop {
        let page = w.clause.done(w.store.registry.audit(after, 10).await);
        audit.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    w.clause.equal(audit, (0..25).rev().map(entry).collect());
    for device in [None, Some(id("probe"))] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = w.store.registry.commands(device.as_ref(), after, 5).await;
            let page = w.clause.done(page);
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let wanted = commands.iter().rev();
        let wanted = wanted.filter(|c| device.as_ref().is_none_or(|device| c.device_id == *device));
        w.clause.equal(seen, wanted.cloned().collect());
    }
}

async fn the_gateway_has_one_identity(store: Store) {
    let w = World::new(store, "the gateway has one identity that fits its own rule").await;
    let one = w.clause.done(w.store.registry.gateway_id().await);
    w.clause.done(iot_core::domain::GatewayId::parse(&one));
    w.clause.equal(w.clause.done(w.store.registry.gateway_id().await), one);
}
