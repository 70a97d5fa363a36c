//! `device …`: what the API offers for devices.

use std::process::ExitCode;

use hyper::Method;
use serde_json::{Value as Json, json};

use super::answer::{cell, printable, table, time};
use super::client::Api;
use crate::cli::{DeviceArgs, DeviceCommand};
use crate::say;

/// Carries out a `device` command.
pub(crate) async fn carry_out(args: DeviceArgs) -> anyhow::Result<ExitCode> {
    let mut api = Api::open(&args.whose).await?;
    let done = device(&mut api, args.command, args.whose.json).await;
    api.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn device(api: &mut Api, command: DeviceCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        DeviceCommand::List => {
            let devices = api.list("/api/v1/devices?view=summary").await?;
            if as_json {
                say::out(Json::Array(devices));
                return Ok(());
            }
            let rows: Vec<[String; 5]> = devices
                .iter()
                .map(|d| {
                    [
                        cell(d, "device_id"),
                        cell(d, "name"),
                        cell(d, "state"),
                        cell(d, "home"),
                        time(d, "last_seen"),
                    ]
                })
                .collect();
            table(["DEVICE", "NAME", "STATE", "HOME", "LAST SEEN"], &rows);
        }
        DeviceCommand::Show { device } => {
            let found = api.call(Method::GET, &path(&device)?, None).await?;
            if as_json { say::out(found) } else { show(&found) }
        }
        DeviceCommand::Rename { device, name } => {
            let body = json!({ "name": name });
            let renamed = api.call(Method::PATCH, &path(&device)?, Some(&body)).await?;
            let line = format!("{device} is now named {}", cell(&renamed, "name"));
            if as_json { say::out(renamed) } else { say::out(line) }
        }
        DeviceCommand::Remove { device, history } => {
            let path = format!("{}?history={history}", path(&device)?);
            api.call(Method::DELETE, &path, None).await?;
            let readings = if history { "removed too" } else { "kept" };
            if !as_json {
                say::out(format_args!("{device} is removed; its readings are {readings}"));
            }
        }
    }
    Ok(())
}

/// A device's path. Its id needs no escapes, and what is none does not reach the gateway.
fn path(device: &str) -> anyhow::Result<String> {
    let device = iot_core::domain::DeviceId::parse(device)?;
    Ok(format!("/api/v1/devices/{device}"))
}

fn show(device: &Json) {
    for name in
        ["device_id", "name", "kind", "home", "state", "reason", "manufacturer", "model", "area"]
    {
        if device.get(name).is_some_and(|value| !value.is_null()) {
            say::out(format_args!("{name:13} {}", cell(device, name)));
        }
    }
    for name in ["first_seen", "last_seen"] {
        say::out(format_args!("{name:13} {}", time(device, name)));
    }
    let sensors = device.get("sensors").and_then(Json::as_array);
    let rows: Vec<[String; 5]> = sensors
        .into_iter()
        .flatten()
        .map(|sensor| {
            let latest = sensor.get("latest").unwrap_or(&Json::Null);
            let value = latest.get("value").map_or("-".to_owned(), |value| {
                value.as_str().map_or_else(|| value.to_string(), printable)
            });
            [
                cell(sensor, "key"),
                cell(sensor, "name"),
                value,
                cell(sensor, "unit"),
                time(latest, "ts"),
            ]
        })
        .collect();
    if !rows.is_empty() {
        say::out("");
        table(["SENSOR", "NAME", "LATEST", "UNIT", "TAKEN"], &rows);
    }
}
