//! `/metrics`: the ledger and the state of the parts, read when somebody asks. The words are those of
//! the diagnostics.

mod mqtt;
mod sheet;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::InstanceStatus;
use iot_core::gateway::{Diagnostics, StoreState};
use iot_core::port::{BrokerView, LinkView};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::sheet::Sheet;
use crate::counters::Counters;
use crate::problem::{Kind, Problem};
use crate::state::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(crate) async fn show(State(app): State<App>) -> Result<Response, Problem> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        figures: app.gateway.diagnostics(),
        instances: app.gateway.instances(),
        links: app.gateway.links(),
        broker: app.gateway.broker(),
        counters: app.counters.clone(),
    }));
    let mut written = String::new();
    text::encode(&mut written, &registry).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::new(Kind::Internal, "the metrics could not be written")
    })?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], written).into_response())
}

/// All figures at one instant.
#[derive(Debug)]
struct Snapshot {
    figures: Diagnostics,
    instances: Vec<InstanceStatus>,
    links: Vec<LinkView>,
    broker: Option<BrokerView>,
    counters: Arc<Counters>,
}

fn sized<'a>(
    map: &'a std::collections::BTreeMap<&'static str, usize>,
) -> impl Iterator<Item = (&'static str, u64)> + 'a {
    map.iter().map(|(word, n)| (*word, *n as u64))
}

impl Snapshot {
    fn ledger(&self, sheet: &mut Sheet<'_, '_>) -> fmt::Result {
        let ledger = &self.figures.ledger;
        sheet.counter("iot_readings_accepted", "Readings taken in", ledger.accepted)?;
        sheet.counter("iot_readings_stored", "Readings committed", ledger.stored)?;
        sheet.gauge(
            "iot_readings_queued",
            "Readings taken in and not yet committed",
            ledger.queued as f64,
        )?;
        sheet.gauge("iot_readings_kept", "Readings that can be read", ledger.kept as f64)?;
        sheet.counter(
            "iot_readings_replaced",
            "Readings that a later one of the same instant replaced",
            ledger.replaced,
        )?;
        let removed = [
            ("age", ledger.removed.age),
            ("cap", ledger.removed.cap),
            ("by_hand", ledger.removed.by_hand),
        ];
        sheet.counters("iot_readings_removed", "Readings that were removed", "reason", removed)?;
        let refused = ledger.refused.iter().map(|(why, n)| (*why, *n));
        sheet.counters(
            "iot_readings_refused",
            "Readings that were not taken in",
            "reason",
            refused,
        )?;
        sheet.counter(
            "iot_readings_not_finite",
            "NaN and infinities that became bad readings",
            ledger.not_finite,
        )?;
        let each = |pick: fn(&iot_core::ledger::ConsumerView) -> u64| {
            ledger.consumers.iter().map(move |(name, c)| (name.as_str(), pick(c)))
        };
        sheet.counters(
            "iot_consumer_acknowledged",
            "Readings that a consumer acknowledged",
            "consumer",
            each(|c| c.acknowledged),
        )?;
        sheet.gauges(
            "iot_consumer_pending",
            "Readings that a consumer has before it",
            "consumer",
            each(|c| c.pending),
        )?;
        sheet.counters(
            "iot_consumer_filtered",
            "Readings that a consumer's filter passed over",
            "consumer",
            each(|c| c.filtered),
        )?;
        sheet.counters(
            "iot_consumer_dropped",
            "Readings lost to a consumer",
            "consumer",
            each(|c| c.dropped.values().sum()),
        )
    }

    fn parts(&self, sheet: &mut Sheet<'_, '_>) -> fmt::Result {
        let figures = &self.figures;
        sheet.gauge(
            "iot_readings_per_second",
            "Readings a second, smoothed",
            figures.readings_per_s,
        )?;
        sheet.gauges("iot_devices", "Devices by state", "state", sized(&figures.devices))?;
        sheet.gauge("iot_sensors", "Sensors", figures.sensors as f64)?;
        sheet.gauges("iot_instances", "Instances by state", "state", sized(&figures.instances))?;
        let each = |pick: fn(&InstanceStatus) -> u64| {
            self.instances.iter().map(move |i| (i.record.name.as_str(), pick(i)))
        };
        sheet.counters(
            "iot_instance_readings",
            "Readings taken in from an instance",
            "instance",
            each(|i| i.readings),
        )?;
        sheet.counters(
            "iot_instance_skipped",
            "Polls left out",
            "instance",
            each(|i| i.skipped),
        )?;
        sheet.counters(
            "iot_instance_restarts",
            "Restarts after a failure",
            "instance",
            each(|i| i.restarts),
        )?;
        sheet.gauge(
            "iot_commands_open",
            "Commands that are not over",
            figures.commands_open as f64,
        )?;
        sheet.gauge(
            "iot_store_used_bytes",
            "Bytes that the store takes",
            figures.usage.used as f64,
        )?;
        sheet.gauge(
            "iot_store_cap_bytes",
            "Bytes that the store may take",
            figures.usage.cap as f64,
        )?;
        let writable = f64::from(u8::from(figures.store == StoreState::Ok));
        sheet.gauge("iot_store_writable", "Whether the store can be written", writable)?;
        sheet.gauge("iot_uptime_seconds", "Seconds since the start", figures.uptime_s as f64)?;
        sheet.gauges(
            "iot_build",
            "What the gateway was built from",
            "build",
            [(figures.build.as_str(), 1)],
        )
    }

    fn http(&self, sheet: &mut Sheet<'_, '_>) -> fmt::Result {
        let counters = &self.counters;
        sheet.counters(
            "iot_http_requests",
            "Requests by class of status",
            "class",
            counters.classes(),
        )?;
        sheet.counters(
            "iot_http_problems",
            "Refused requests by type of problem",
            "type",
            counters.problems(),
        )?;
        sheet.gauge(
            "iot_websocket_clients",
            "Open WebSockets",
            counters.sockets.load(Ordering::Relaxed) as f64,
        )?;
        sheet.counter(
            "iot_websocket_lagged",
            "Times that a WebSocket was too slow",
            counters.lagged.load(Ordering::Relaxed),
        )?;
        sheet.counter(
            "iot_websocket_unread",
            "WebSockets closed because nothing was read",
            counters.stuck.load(Ordering::Relaxed),
        )
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(&mut encoder);
        self.ledger(&mut sheet)?;
        self.parts(&mut sheet)?;
        mqtt::links(&mut sheet, &self.links)?;
        if let Some(broker) = &self.broker {
            mqtt::broker(&mut sheet, broker)?;
        }
        self.http(&mut sheet)
    }
}
