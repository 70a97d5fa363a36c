//! The list of routes, each with the rule it is under. A route that is not here is not served, and a
//! test asks each of these with every sort of credential.

use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{self, MethodRouter};
use iot_core::domain::Action;

use crate::api::v1::{
    audit, commands, data, devices, diagnostics, instances, mqtt_links, plugins, sensors, session,
    settings, tokens,
};
use crate::extract::refuse;
use crate::state::App;
use crate::{health, metrics, ws};

/// What a route needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is open to all.
    Nothing,
    /// It looks itself: the session, the WebSocket.
    Itself,
    /// This action on the device that the path names.
    OnDevice(Action),
    /// This action on the device of the sensor that the path names.
    OnSensor(Action),
    /// This action; what is given is cut to the devices that the caller may see.
    OnList(Action),
    /// This action on the gateway as a whole; not for callers whose scope names devices.
    OnGateway(Action),
}

/// A route as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// What it needs of its caller.
    pub needs: Needs,
}

/// All routes, as they are declared.
#[must_use]
pub fn routes() -> Vec<Declared> {
    table().into_iter().map(|route| route.declared).collect()
}

pub(crate) struct Route {
    pub(crate) declared: Declared,
    pub(crate) handler: MethodRouter<App>,
}

/// A route that takes no query.
fn route<H, T>(method: Method, path: &'static str, needs: Needs, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let mut route = queried(method, path, needs, handler);
    if path.starts_with("/api/") {
        route.handler = route.handler.route_layer(from_fn(refuse));
    }
    route
}

/// A route whose handler reads the query.
fn queried<H, T>(method: Method, path: &'static str, needs: Needs, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let handler = match method {
        Method::POST => routing::post(handler),
        Method::PATCH => routing::patch(handler),
        Method::DELETE => routing::delete(handler),
        _ => routing::get(handler),
    };
    Route { declared: Declared { method, path, needs }, handler }
}

pub(crate) fn table() -> Vec<Route> {
    use Action::{Administer, Command, Edit, Read};
    use Needs::{Itself, Nothing, OnDevice, OnGateway, OnList, OnSensor};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    vec![
        route(GET, "/health/live", Nothing, health::live),
        route(GET, "/health/ready", Nothing, health::ready),
        route(GET, "/metrics", OnGateway(Read), metrics::show),
        route(GET, "/api/v1/session", Itself, session::show),
        route(POST, "/api/v1/session", Itself, session::start),
        route(DELETE, "/api/v1/session", Itself, session::end),
        route(GET, "/api/v1/ws", Itself, ws::open),
        queried(GET, "/api/v1/devices", OnList(Read), devices::list),
        route(POST, "/api/v1/devices", OnGateway(Edit), devices::create),
        route(GET, "/api/v1/devices/{device_id}", OnDevice(Read), devices::show),
        route(PATCH, "/api/v1/devices/{device_id}", OnDevice(Edit), devices::edit),
        queried(DELETE, "/api/v1/devices/{device_id}", OnDevice(Edit), devices::remove),
        route(POST, "/api/v1/devices/{device_id}/move", OnGateway(Edit), devices::relocate),
        queried(POST, "/api/v1/devices/{device_id}/commands", OnDevice(Command), commands::send),
        queried(GET, "/api/v1/sensors", OnList(Read), sensors::list),
        route(GET, "/api/v1/sensors/{sensor_id}", OnSensor(Read), sensors::show),
        route(PATCH, "/api/v1/sensors/{sensor_id}", OnSensor(Edit), sensors::edit),
        queried(GET, "/api/v1/sensors/{sensor_id}/data", OnSensor(Read), data::one),
        queried(
            DELETE,
            "/api/v1/sensors/{sensor_id}/data",
            OnSensor(Edit),
            sensors::remove_readings,
        ),
        queried(GET, "/api/v1/sensors/{sensor_id}/latest", OnSensor(Read), sensors::latest),
        queried(GET, "/api/v1/data", OnList(Read), data::many),
        queried(GET, "/api/v1/commands", OnList(Read), commands::list),
        route(GET, "/api/v1/commands/{command_id}", OnList(Read), commands::show),
        queried(GET, "/api/v1/plugins", OnGateway(Read), plugins::list),
        route(GET, "/api/v1/plugins/{kind}", OnGateway(Read), plugins::show),
        queried(GET, "/api/v1/instances", OnGateway(Read), instances::list),
        route(GET, "/api/v1/instances/{name}", OnGateway(Read), instances::show),
        queried(GET, "/api/v1/mqtt/links", OnGateway(Read), mqtt_links::list),
        route(GET, "/api/v1/mqtt/links/{name}", OnGateway(Read), mqtt_links::show),
        route(GET, "/api/v1/settings", OnGateway(Read), settings::show),
        route(PATCH, "/api/v1/settings", OnGateway(Administer), settings::edit),
        queried(GET, "/api/v1/tokens", OnGateway(Administer), tokens::list),
        route(POST, "/api/v1/tokens", OnGateway(Administer), tokens::create),
        route(POST, "/api/v1/tokens/link", OnGateway(Administer), tokens::link),
        route(GET, "/api/v1/tokens/{token_id}", OnGateway(Administer), tokens::show),
        route(DELETE, "/api/v1/tokens/{token_id}", OnGateway(Administer), tokens::revoke),
        queried(GET, "/api/v1/audit", OnGateway(Administer), audit::list),
        route(GET, "/api/v1/diagnostics", OnGateway(Read), diagnostics::show),
        queried(GET, "/api/v1/diagnostics/refused", OnGateway(Command), diagnostics::refused),
    ]
}
