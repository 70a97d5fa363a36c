//! `plugin …`: the kinds from which instances are made.

use std::process::ExitCode;

use serde_json::Value as Json;

use super::answer::{cell, table};
use super::client::Api;
use crate::cli::{PluginArgs, PluginCommand};
use crate::say;

/// Carries out a `plugin` command.
pub(crate) async fn carry_out(args: PluginArgs) -> anyhow::Result<ExitCode> {
    let PluginCommand::List = args.command;
    let mut api = Api::open(&args.whose).await?;
    let kinds = api.list("/api/v1/plugins").await;
    api.close().await;
    let kinds = kinds?;
    if args.whose.json {
        say::out(Json::Array(kinds));
    } else {
        let row = |kind: &Json| ["kind", "version", "door", "state"].map(|name| cell(kind, name));
        let rows: Vec<[String; 4]> = kinds.iter().map(row).collect();
        table(["KIND", "VERSION", "DOOR", "STATE"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}
