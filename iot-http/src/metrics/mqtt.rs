//! Links to other brokers, and the embedded one.

use std::fmt;

use iot_core::port::{BrokerState, BrokerView, LinkState, LinkView};

use super::sheet::Sheet;

/// Each link by its name.
pub(super) fn links(sheet: &mut Sheet<'_, '_>, links: &[LinkView]) -> fmt::Result {
    let count =
        |pick: fn(&LinkView) -> u64| links.iter().map(move |link| (link.name.as_str(), pick(link)));
    sheet.gauges_by(
        "iot_link_state",
        "1 for the state in which a link is, 0 for the others",
        ["link", "state"],
        links.iter().flat_map(|link| {
            let is = |state| f64::from(u8::from(link.state == state));
            LinkState::ALL.map(|state| ([link.name.as_str(), state.word()], is(state)))
        }),
    )?;
    sheet.gauges(
        "iot_link_lag_readings",
        "Readings that a link has before it",
        "link",
        count(|link| link.lag),
    )?;
    sheet.gauges_by(
        "iot_link_lag_seconds",
        "Age of the oldest reading that a link has before it",
        ["link"],
        links.iter().map(|link| ([link.name.as_str()], link.lag_s)),
    )?;
    sheet.gauges(
        "iot_link_backlog_bytes",
        "About how many bytes of the log a link has before it",
        "link",
        count(|link| link.backlog_bytes),
    )?;
    sheet.counters(
        "iot_link_acknowledged",
        "Readings that the broker of a link acknowledged",
        "link",
        count(|link| link.acknowledged),
    )?;
    sheet.counters_by(
        "iot_link_dropped",
        "Readings that a link lost",
        ["link", "reason"],
        links.iter().flat_map(|link| {
            link.dropped.iter().map(|(reason, n)| ([link.name.as_str(), *reason], *n))
        }),
    )
}

/// The embedded broker.
pub(super) fn broker(sheet: &mut Sheet<'_, '_>, broker: &BrokerView) -> fmt::Result {
    let listens = matches!(broker.state, BrokerState::Listening { .. });
    sheet.gauge(
        "iot_mqtt_listening",
        "Whether the embedded broker takes connections",
        f64::from(u8::from(listens)),
    )?;
    let gauges = [
        ("iot_mqtt_connections", "Clients that are connected", broker.connections),
        ("iot_mqtt_sessions", "Sessions, those of absent clients included", broker.sessions),
        ("iot_mqtt_subscriptions", "Topic filters subscribed to", broker.subscriptions),
        ("iot_mqtt_retained", "Retained messages", broker.retained),
        ("iot_mqtt_retained_bytes", "Bytes of retained messages", broker.retained_bytes),
        ("iot_mqtt_queued", "Messages that wait for a client", broker.queued),
        ("iot_mqtt_queued_bytes", "Bytes of messages that wait for a client", broker.queued_bytes),
    ];
    for (name, help, value) in gauges {
        sheet.gauge(name, help, value as f64)?;
    }
    sheet.counter(
        "iot_mqtt_published_in",
        "Messages that clients published",
        broker.published_in,
    )?;
    sheet.counter(
        "iot_mqtt_published_out",
        "Messages that were sent to clients",
        broker.published_out,
    )?;
    let dropped = broker.dropped.iter().map(|(reason, n)| (*reason, *n));
    sheet.counters("iot_mqtt_dropped", "Messages that a client did not get", "reason", dropped)
}
