//! What the gateway says of itself, in less than 4 KB, and the messages that it refused.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use iot_core::pipeline::RefusedMessage;
use iot_core::port::LinkView;
use serde_json::{Value as Json_, json};

use super::plugins::Which;
use crate::extract::Query;
use crate::paging;
use crate::problem::Problem;
use crate::state::App;

fn by_state(links: &[LinkView]) -> BTreeMap<&'static str, usize> {
    links.iter().fold(BTreeMap::new(), |mut states, link| {
        *states.entry(link.state.word()).or_default() += 1;
        states
    })
}

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
        "links": by_state(&app.gateway.links()),
        "mqtt": app.gateway.broker(),
        "commands_open": figures.commands_open,
        "clock_synced": app.gateway.clock().synced,
        "websockets": {
            "open": app.counters.sockets.load(Ordering::Relaxed),
            "lagged": app.counters.lagged.load(Ordering::Relaxed),
            "closed_unread": app.counters.stuck.load(Ordering::Relaxed),
        },
    }))
}

/// `GET diagnostics/refused`: the newest refused messages, the newest first. They hold what somebody
/// sent by mistake, which may be anything: so it takes an operator to look at them.
pub(crate) async fn refused(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<paging::Page<RefusedMessage>>, Problem> {
    let limit = paging::limit(which.limit)?;
    let before = paging::number(which.cursor.as_deref())?;
    let is_older = |message: &RefusedMessage| {
        before.is_none_or(|before| i64::try_from(message.number).is_ok_and(|n| n < before))
    };
    let mut older = app.gateway.refused().into_iter().filter(is_older);
    let items: Vec<RefusedMessage> = older.by_ref().take(limit).collect();
    let more = older.next().is_some();
    let last = items.last().filter(|_| more);
    let next = last.map(|message| paging::after(&message.number.to_string()));
    Ok(Json(paging::Page { items, next }))
}
