//! Commands over REST.

use hyper::Method;
use iot_core::domain::{Role, Scope};
use serde_json::json;

use crate::kit::{Asked, PATIENCE, Site};

const PATH: &str = "/api/v1/devices/pump/commands";

#[tokio::test]
async fn a_command_is_answered_at_once_or_when_it_is_over() {
    let site = Site::start().await;
    let body = json!({"name": "set_level", "params": {"level": 5}, "id": "c-1"});
    let sent = site.send(Method::POST, PATH, body.clone()).await;
    assert_eq!(sent.ok(202)["id"], "c-1");
    assert_eq!(sent.header("location"), "/api/v1/commands/c-1");
    let over = site.send(Method::POST, &format!("{PATH}?wait=1"), body.clone()).await.ok(200);
    assert_eq!((&over["state"], &over["result"]), (&json!("done"), &json!({"was": 5})));
    assert_eq!(over["id"], "c-1", "the same id is the same command");
    let shown = site.get("/api/v1/commands/c-1").await;
    assert_eq!(shown.ok(200)["by"], over["by"]);
    let ended = site.send(Method::POST, &format!("{PATH}?wait=1"), body).await;
    assert_eq!(ended.header("etag"), shown.header("etag"));
    assert!(shown.header("etag").starts_with('"') && sent.header("etag").starts_with('"'));
    let late = json!({"name": "set_level", "params": {"level": 13}, "timeout_ms": 50});
    let over = site.send(Method::POST, &format!("{PATH}?wait=1"), late).await.ok(200);
    assert_eq!(over["state"], "timed_out");
    assert_eq!(over["may_have_run"], true);
    site.running.stop().await;
}

#[tokio::test]
async fn an_open_command_is_shown_as_it_stands() {
    let site = Site::start().await;
    let body = json!({"name": "set_level", "params": {"level": 13}, "id": "c-2"});
    site.send(Method::POST, PATH, body).await.ok(202);
    iot_testkit::wait::until("the command is sent", PATIENCE, async || {
        let shown = site.get("/api/v1/commands/c-2").await.ok(200);
        let listed = site.get("/api/v1/commands").await.ok(200)["items"][0].clone();
        if shown["state"] == "sent" && listed["state"] == "sent" {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    })
    .await;
    site.running.stop().await;
}

#[tokio::test]
async fn wrong_commands_are_told_what_would_be_right() {
    let site = Site::start().await;
    let send = async |body| site.send(Method::POST, PATH, body).await;
    let unknown = send(json!({"name": "set_lebel"})).await.problem(404, "not-found");
    assert!(unknown["detail"].as_str().unwrap().contains("set_level"), "{unknown}");
    for (params, pointer) in [
        (json!({"level": 101}), "/params/level"),
        (json!({"level": "x"}), "/params/level"),
        (json!({}), "/params/level"),
        (json!({"level": 1, "colour": 2}), "/params"),
    ] {
        let problem =
            send(json!({"name": "set_level", "params": params})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(!problem["detail"].as_str().unwrap().contains("configuration"), "{problem}");
    }
    let long = json!({"name": "set_level", "params": {"level": 1}, "timeout_ms": 3_600_001});
    assert_eq!(send(long).await.problem(422, "invalid")["errors"][0]["pointer"], "/timeout_ms");
    let id = json!({"name": "set_level", "params": {"level": 1}, "id": "a b"});
    assert_eq!(send(id).await.problem(422, "invalid")["errors"][0]["pointer"], "/id");
    let first = json!({"name": "set_level", "params": {"level": 1}, "id": "one"});
    send(first).await.ok(202);
    let other = json!({"name": "set_level", "params": {"level": 2}, "id": "one"});
    send(other).await.problem(409, "conflict");
    let operator = site.token(Role::Operator, Scope::All).await;
    let asked = Asked::new(Method::POST, &format!("{PATH}?wait=1")).bearer(&operator);
    let body = json!({"name": "set_level", "params": {"level": 1}});
    asked.json(&body).to(site.address).await.ok(200);
    site.send(Method::POST, "/api/v1/devices/nobody/commands", body)
        .await
        .problem(404, "not-found");
    site.running.stop().await;
}
