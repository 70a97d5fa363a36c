//! What a subscription begins with, and what a slow socket is given in place of what it missed.

use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use iot_core::domain::Timestamp;
use iot_core::pipeline::Position;

use super::message;
use super::subscription::Wishes;
use crate::state::App;

/// Sensors in one message of latest values.
const TOGETHER: usize = 500;
/// A clock's step and a device's way through the bus are shorter than this.
const SLACK: Duration = Duration::from_secs(2);

/// Devices and latest readings as they are now.
pub(super) fn whole(app: &App, wishes: &Wishes, id: u64, at: Position) -> Utf8Bytes {
    let devices = app.gateway.devices();
    let wanted = || devices.iter().filter(|view| wishes.wants_device(&view.device.id));
    let sensors = wanted().flat_map(|view| wishes.sensors_of(view));
    message::snapshot(id, at, wanted().map(|view| &**view), sensors)
}

/// What changed since a socket was last in step: devices, and the latest values of those heard.
pub(super) fn missed(
    app: &App,
    wishes: &Wishes,
    in_step: Timestamp,
    at: Position,
) -> Vec<Utf8Bytes> {
    let since = in_step.minus(SLACK);
    let changed = app.changes.since(since);
    let mut messages = Vec::new();
    let mut latest = Vec::new();
    let devices = app.gateway.devices();
    for view in devices.iter().filter(|view| wishes.wants_device(&view.device.id)) {
        if changed.as_ref().is_none_or(|changed| changed.contains(&view.device.id)) {
            messages.push(message::device(view));
        }
        if view.last_seen.is_some_and(|at| at >= since) {
            latest.extend(wishes.sensors_of(view));
        }
    }
    for id in changed.iter().flatten().filter(|id| wishes.wants_device(id)) {
        if app.gateway.device(id).is_none() {
            messages.push(message::gone(id));
        }
    }
    messages.extend(latest.chunks(TOGETHER).map(|some| message::latest(at, some.iter().copied())));
    messages
}
