//! Sessions and tokens: begun, kept in a cookie, ended, revoked.

use hyper::Method;
use serde_json::json;

use crate::kit::{Answer, Asked, Site};

async fn sign_in(site: &Site, token: &str) -> Answer {
    let asked = Asked::new(Method::POST, "/api/v1/session").json(&json!({ "token": token }));
    asked.to(site.address).await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_opens_one_session_and_its_end_ends_it() {
    let site = Site::start().await;
    let link = site.link().await;
    let begun = sign_in(&site, &link).await;
    let session = begun.ok(200);
    assert_eq!(session["principal"]["role"], "admin");
    assert_eq!(session["build"], "1.2.3+test");
    let id = site.running.info().id;
    assert_eq!(session["gateway"]["id"], id.as_str());
    let set = begun.header("set-cookie");
    assert!(set.starts_with(&format!("iot_{id}=")), "{set}");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"));
    let cookie = cookie(&begun);
    let with = |method, path: &str| Asked::new(method, path).header("Cookie", &cookie);
    assert_eq!(with(Method::GET, "/api/v1/session").to(site.address).await.ok(200), session);
    with(Method::GET, "/api/v1/devices").to(site.address).await.ok(200);

    sign_in(&site, &link).await.problem(401, "unauthenticated");
    let ended = with(Method::DELETE, "/api/v1/session").to(site.address).await;
    assert_eq!(ended.status, 204);
    assert!(ended.header("set-cookie").contains("Max-Age=0"));
    with(Method::GET, "/api/v1/devices").to(site.address).await.problem(401, "unauthenticated");
    with(Method::GET, "/api/v1/session").to(site.address).await.problem(401, "unauthenticated");
    site.running.stop().await;
}

#[tokio::test]
async fn an_api_token_opens_a_session_and_outlives_it() {
    let site = Site::start().await;
    let begun = sign_in(&site, &site.admin).await;
    begun.ok(200);
    let asked = Asked::new(Method::DELETE, "/api/v1/session").bearer(&site.admin);
    assert_eq!(asked.to(site.address).await.status, 204);
    site.get("/api/v1/devices").await.ok(200);
    site.running.stop().await;
}

#[tokio::test]
async fn a_session_lives_no_longer_than_the_token_that_opened_it() {
    let site = Site::start().await;
    let wanted = json!({"name": "short", "role": "viewer", "expires_in_s": 3600});
    let made = site.send(Method::POST, "/api/v1/tokens", wanted).await.ok(201);
    let begun = sign_in(&site, made["token"].as_str().unwrap()).await;
    begun.ok(200);
    let set = begun.header("set-cookie");
    let age = set.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    assert!((3_500..=3_600).contains(&age.parse::<u64>().unwrap()), "{set}");
    let list = site.get("/api/v1/tokens").await.ok(200);
    let session = list["items"].as_array().unwrap().iter().find(|t| t["kind"] == "session");
    assert!(session.unwrap()["expires"].as_i64() <= made["expires"].as_i64(), "{list}");
    let with = Asked::get("/api/v1/devices").header("Cookie", &cookie(&begun));
    with.clone().to(site.address).await.ok(200);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(site.ask(Method::DELETE, &path).await.status, 204);
    with.to(site.address).await.problem(401, "unauthenticated");
    site.running.stop().await;
}

#[tokio::test]
async fn a_session_opens_no_other() {
    let site = Site::start().await;
    for token in [site.link().await, site.admin.clone()] {
        let begun = sign_in(&site, &token).await;
        begun.ok(200);
        let cookie = cookie(&begun);
        let secret = cookie.split('=').nth(1).unwrap();
        let sibling = sign_in(&site, secret).await;
        sibling.problem(401, "unauthenticated");
        assert!(sibling.header("set-cookie").is_empty());
        let with = Asked::get("/api/v1/devices").header("Cookie", &cookie);
        with.to(site.address).await.ok(200);
    }
    site.running.stop().await;
}

#[tokio::test]
async fn guessing_is_braked_and_the_right_token_still_opens() {
    let site = Site::start().await;
    for _ in 0..10 {
        sign_in(&site, "guess").await.problem(401, "unauthenticated");
    }
    let braked = sign_in(&site, "guess").await;
    braked.problem(429, "too-many");
    assert!(braked.header("retry-after").parse::<u64>().is_ok_and(|s| (1..=60).contains(&s)));
    sign_in(&site, &site.admin).await.ok(200);
    site.running.stop().await;
}

#[tokio::test]
async fn tokens_are_made_listed_without_their_secret_and_revoked() {
    let site = Site::start().await;
    let wanted =
        json!({"name": "grafana", "role": "viewer", "devices": ["attic"], "expires_in_s": 60});
    let made = site.send(Method::POST, "/api/v1/tokens", wanted.clone()).await;
    let json = made.ok(201);
    let (secret, id) = (json["token"].as_str().unwrap(), json["id"].as_str().unwrap());
    assert_eq!(id.len(), 16);
    assert_eq!(made.header("location"), format!("/api/v1/tokens/{id}"));
    Asked::get("/api/v1/devices").bearer(secret).to(site.address).await.ok(200);
    let list = site.get("/api/v1/tokens").await;
    assert!(!list.text().contains(secret));
    let list = list.ok(200);
    let listed = list["items"].as_array().unwrap();
    let one = listed.iter().find(|token| token["id"] == id).unwrap();
    assert_eq!(one["devices"], json!(["attic"]));
    assert!(one["expires"].as_i64() > one["created"].as_i64());
    site.send(Method::POST, "/api/v1/tokens", wanted).await.problem(409, "conflict");

    assert_eq!(site.ask(Method::DELETE, &format!("/api/v1/tokens/{id}")).await.status, 204);
    Asked::get("/api/v1/devices")
        .bearer(secret)
        .to(site.address)
        .await
        .problem(401, "unauthenticated");
    site.ask(Method::DELETE, &format!("/api/v1/tokens/{id}")).await.problem(404, "not-found");
    site.ask(Method::DELETE, "/api/v1/tokens/xyz").await.problem(400, "bad-request");

    let link = site.ask(Method::POST, "/api/v1/tokens/link").await.ok(201);
    let address = link["links"][0].as_str().unwrap();
    assert!(address.starts_with(&format!("http://{}/#token=", site.address)), "{address}");
    let token = address.split("#token=").nth(1).unwrap();
    sign_in(&site, token).await.ok(200);
    let by_kind = site.send(Method::POST, "/api/v1/tokens", json!({"kind": "link"})).await.ok(201);
    assert!(by_kind["links"].is_array());
    for (wrong, pointer) in [
        (json!({"role": "viewer"}), "/name"),
        (json!({"name": "x"}), "/role"),
        (json!({"name": "x", "role": "root"}), "/role"),
        (json!({"name": "x", "role": "viewer", "expires_in_s": 0}), "/expires_in_s"),
        (json!({"kind": "session"}), "/kind"),
    ] {
        let problem =
            site.send(Method::POST, "/api/v1/tokens", wrong).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    site.running.stop().await;
}
