//! What the gateway says of itself, in less than 4 KB.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use serde_json::{Value as Json_, json};

use crate::state::App;

/// `GET diagnostics`.
pub(crate) async fn show(State(app): State<App>) -> Json<Json_> {
    let info = app.gateway.info();
    let figures = app.gateway.diagnostics();
    Json(json!({
        "gateway": { "id": info.id, "name": info.name, "started": info.started },
        "build": figures.build,
        "uptime_s": figures.uptime_s,
        "ledger": figures.ledger,
        "devices": figures.devices,
        "sensors": figures.sensors,
        "instances": figures.instances,
        "readings_per_s": figures.readings_per_s,
        "storage": {
            "used": figures.usage.used,
            "cap": figures.usage.cap,
            "days_left": figures.days_left,
            "store": figures.store,
        },
        "links": {},
        "commands_open": figures.commands_open,
        "clock_synced": app.gateway.clock().synced,
        "websockets": {
            "open": app.counters.sockets.load(Ordering::Relaxed),
            "lagged": app.counters.lagged.load(Ordering::Relaxed),
            "closed_unread": app.counters.stuck.load(Ordering::Relaxed),
        },
    }))
}
