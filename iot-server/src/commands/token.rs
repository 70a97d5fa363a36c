//! `token …`: credentials of programs, and sign-in links of people.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use hyper::Method;
use iot_core::domain::{Role, TokenSecret};
use serde_json::{Value as Json, json};

use super::access;
use super::answer::{cell, table, time};
use super::client::Api;
use crate::cli::{TokenArgs, TokenCommand};
use crate::say;

const TOKENS: &str = "/api/v1/tokens";

/// Carries out a `token` command.
pub(crate) async fn carry_out(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let mut api = Api::open(&args.whose).await?;
    let done = token(&mut api, args.command, args.whose.json).await;
    api.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn token(api: &mut Api, command: TokenCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { name, role, expires } => {
            let role = Role::from(role).word();
            let mut body = json!({ "kind": "api", "name": name, "role": role });
            if let Some(seconds) = expires {
                body["expires_in_s"] = Json::from(seconds);
            }
            let made = api.call(Method::POST, TOKENS, Some(&body)).await?;
            if as_json {
                say::out(made);
            } else {
                say::out(made["token"].as_str().context("the answer holds no token")?);
            }
        }
        TokenCommand::List => {
            let tokens = api.list(TOKENS).await?;
            if as_json {
                say::out(Json::Array(tokens));
                return Ok(());
            }
            let rows: Vec<[String; 6]> = tokens
                .iter()
                .map(|t| {
                    let [name, kind, role, id] =
                        ["name", "kind", "role", "id"].map(|name| cell(t, name));
                    [name, kind, role, time(t, "created"), time(t, "expires"), id]
                })
                .collect();
            table(["NAME", "KIND", "ROLE", "CREATED", "EXPIRES", "ID"], &rows);
        }
        TokenCommand::Revoke { token } => {
            let id = find(&api.list(TOKENS).await?, &token)?;
            api.call(Method::DELETE, &format!("{TOKENS}/{id}"), None).await?;
            let removed = access::remove_file_of(api.data(), &id).with_context(|| {
                format!("{token} is revoked, but the file with its secret stays")
            })?;
            if !as_json {
                say::out(format_args!("{token} is revoked"));
                if let Some(file) = removed {
                    say::out(format_args!("{}, which held its secret, is removed", file.display()));
                }
            }
        }
        TokenCommand::Link => {
            let mut made = api.call(Method::POST, TOKENS, Some(&json!({ "kind": "link" }))).await?;
            if let Some(addresses) = api.would_listen() {
                let secret = made["token"].as_str().context("the answer holds no link")?;
                let links = iot_http::links(addresses, &TokenSecret::given(secret));
                made["links"] = json!(links);
                say::err(must_run(api.data(), addresses));
            }
            if as_json {
                say::out(made);
                return Ok(());
            }
            let links = made["links"].as_array().context("the answer holds no link")?;
            for link in links.iter().filter_map(Json::as_str) {
                say::out(link);
            }
        }
    }
    Ok(())
}

/// The id of the token that is meant: an id, or the name of the only API token that bears it.
fn find(tokens: &[Json], wanted: &str) -> anyhow::Result<String> {
    let named = |token: &&Json| token["name"] == wanted && token["kind"] == "api";
    let found = tokens
        .iter()
        .find(|token| token["id"] == wanted)
        .or_else(|| tokens.iter().find(named))
        .and_then(|token| token["id"].as_str());
    match found {
        Some(id) => Ok(id.to_owned()),
        None => {
            bail!("there is no token {wanted:?}; `iot-server token list` shows those there are")
        }
    }
}

/// What a link needs that was made where no server runs.
fn must_run(data: &Path, addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!(
        "no server runs on {}: the gateway must be running at {} (http.listen of --config, \
         IOT_HTTP__LISTEN, or the default) when the link is opened, within 15 minutes",
        data.display(),
        addresses.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_id_or_the_name_of_an_api_token() {
        let tokens = [
            json!({"id": "aa", "name": "admin", "kind": "session"}),
            json!({"id": "bb", "name": "admin", "kind": "api"}),
        ];
        assert_eq!(find(&tokens, "admin").unwrap(), "bb");
        assert_eq!(find(&tokens, "aa").unwrap(), "aa");
        assert!(find(&tokens, "adm").is_err());
    }
}
