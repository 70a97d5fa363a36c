//! Stored settings: the closed list, each with its value, its default and what decides it.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{SettingKey, SettingSource, SettingView};
use serde_json::{Map, Value as Json_, json};

use crate::etag;
use crate::extract::{Body, Caller};
use crate::problem::{Field, Kind, Problem, step};
use crate::state::App;

fn shape(settings: &[SettingView]) -> Json_ {
    let entry = |view: &SettingView| {
        let shown = json!({
            "value": view.value,
            "default": view.default,
            "source": view.source,
            "read_only": view.source > SettingSource::Stored,
        });
        (view.key.word().to_owned(), shown)
    };
    Json_::Object(settings.iter().map(entry).collect())
}

/// `GET settings`.
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let shown = shape(&app.gateway.settings());
    etag::answer(&headers, &etag::of(&shown), &shown)
}

/// `PATCH settings`: `{"time_zone":"Europe/Berlin"}`, all or none.
pub(crate) async fn edit(
    State(app): State<App>,
    Caller(who): Caller,
    headers: HeaderMap,
    Body(wanted): Body<Map<String, Json_>>,
) -> Result<Response, Problem> {
    let unknown: Vec<Field> = wanted
        .keys()
        .filter(|name| SettingKey::parse(name).is_none())
        .map(|name| {
            let name: String = name.chars().take(60).collect();
            let all = SettingKey::ALL.map(SettingKey::word).join(", ");
            Field::new(step(&name), format!("is no setting; there are {all}"))
        })
        .collect();
    if let Some(first) = unknown.first() {
        let detail = format!("{}: {}", first.pointer.trim_start_matches('/'), first.detail);
        return Err(Problem::new(Kind::Invalid, detail).with(unknown));
    }
    let values =
        wanted.into_iter().filter_map(|(name, value)| Some((SettingKey::parse(&name)?, value)));
    let _edit = app.edits.lock().await;
    etag::check(&headers, &etag::of(&shape(&app.gateway.settings())))?;
    let shown = shape(&app.gateway.set(&who, values.collect()).await?);
    let mut answer = Json(&shown).into_response();
    etag::put(&mut answer, &etag::of(&shown));
    Ok(answer)
}
