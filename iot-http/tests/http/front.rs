//! What every answer has, `Host` and `Origin`, the control socket, the page, an integrator's routes.

use std::os::unix::fs::PermissionsExt as _;

use hyper::Method;
use iot_core::gateway::Gateway;
use iot_http::{Http, HttpConfig};
use iot_testkit as _;
use serde_json::json;
use tokio::net::UnixStream;

use crate::kit::{Asked, Site};

#[tokio::test]
async fn hosts_and_origins_that_are_not_ours_are_refused_by_name() {
    let site = Site::configured(HttpConfig {
        hosts: vec!["gw.example".into()],
        origins: vec!["https://dash.example".into()],
        ..HttpConfig::default()
    })
    .await;
    let ready = Asked::get("/health/ready");
    for host in ["localhost", "127.0.0.1:1", "[::1]", "gw.example:8080", "GW.example"] {
        assert_eq!(ready.clone().header("Host", host).to(site.address).await.status, 200, "{host}");
    }
    let foreign = ready.clone().header("Host", "rebound.example").to(site.address).await;
    let problem = foreign.problem(403, "host");
    assert!(problem["detail"].as_str().unwrap().contains("[http] hosts"), "{problem}");
    for host in ["[::1", "[::1]x", "a b", "127.0.0.1:x", "user@127.0.0.1", "::1"] {
        ready.clone().header("Host", host).to(site.address).await.problem(400, "bad-request");
    }
    let twice = ready.clone().header("Host", "localhost").header("Host", "localhost");
    twice.to(site.address).await.problem(400, "bad-request");
    let own = format!("http://{}", site.address);
    for origin in [own.as_str(), "https://dash.example"] {
        let answer = ready.clone().header("Origin", origin).to(site.address).await;
        assert_eq!(answer.status, 200, "{origin}");
    }
    for origin in ["null", "http://evil.example", "https://127.0.0.1"] {
        let asked = Asked::get("/api/v1/devices").bearer(&site.admin).header("Origin", origin);
        asked.to(site.address).await.problem(403, "origin");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn pages_of_named_sites_may_read_what_they_are_answered() {
    let origins = vec!["https://dash.example".into()];
    let site = Site::configured(HttpConfig { origins, ..HttpConfig::default() }).await;
    let from = |method, origin| {
        Asked::new(method, "/api/v1/devices").header("Origin", origin).bearer(&site.admin)
    };
    let dash = "https://dash.example";
    let allowed = from(Method::GET, dash).to(site.address).await;
    allowed.ok(200);
    let refused = Asked::get("/api/v1/devices").header("Origin", dash).to(site.address).await;
    refused.problem(401, "unauthenticated");
    let preflight = Asked::new(Method::OPTIONS, "/api/v1/devices/a")
        .header("Origin", dash)
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "authorization,if-match");
    let asked = preflight.clone().to(site.address).await;
    assert_eq!(asked.status, 204);
    assert!(asked.header("access-control-allow-methods").contains("PATCH"));
    let headers = asked.header("access-control-allow-headers");
    assert_eq!(headers, "authorization, content-type, if-match");
    for answer in [&allowed, &refused, &asked] {
        assert_eq!(answer.header("access-control-allow-origin"), dash);
        assert_eq!(answer.header("vary"), "Origin");
        assert!(answer.header("access-control-allow-credentials").is_empty());
    }
    let own = format!("http://{}", site.address);
    for origin in [own.as_str(), "https://evil.example"] {
        let answer = from(Method::GET, origin).to(site.address).await;
        assert!(answer.header("access-control-allow-origin").is_empty(), "{origin}");
    }
    let foreign = preflight.header("Host", "rebound.example").to(site.address).await;
    foreign.problem(403, "host");
    site.running.stop().await;
}

#[tokio::test]
async fn every_answer_has_a_date_and_the_security_headers() {
    let site = Site::start().await;
    for path in ["/", "/api/v1/devices", "/nothing.js", "/api/v1/session", "/health/live"] {
        let answer = Asked::get(path).to(site.address).await;
        assert!(answer.header("date").ends_with("GMT"), "{path}");
        let csp = answer.header("content-security-policy");
        assert!(csp.contains("script-src 'self'") && csp.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        if path.starts_with("/api") {
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
    site.running.stop().await;
}

#[tokio::test]
async fn the_control_socket_has_the_rights_of_an_admin_and_asks_for_no_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let config = HttpConfig { control: Some(path.clone()), ..HttpConfig::default() };
    let site = Site::configured(config).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let over = async |asked: Asked| {
        asked.over(UnixStream::connect(&path).await.unwrap(), "anything.example").await
    };
    let session = over(Asked::get("/api/v1/session")).await.ok(200);
    assert_eq!(session["principal"], json!({"name": "local", "role": "admin"}));
    let wanted = json!({"kind": "api", "name": "cli", "role": "viewer", "lifetime_s": 60});
    let made = over(Asked::new(Method::POST, "/api/v1/tokens").json(&wanted)).await.ok(201);
    assert_eq!(made["token"].as_str().unwrap().len(), 64);
    assert_eq!(site.running.tokens().iter().filter(|t| t.name == "cli").count(), 1);
    site.running.stop().await;
    assert!(!path.exists(), "the socket's file goes with the layer");
}

#[tokio::test]
async fn a_taken_port_is_one_sentence_that_names_the_setting() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let started = Gateway::builder()
        .store(format!("memory:taken-{}", fastrand::u64(..)))
        .layer(Http::on(address.to_string()))
        .start()
        .await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.contains("[http] listen") && error.contains("--http"), "{error}");
}

#[tokio::test]
async fn own_routes_stand_beside_the_api_and_may_not_repeat_it() {
    let own = axum::Router::new().route("/own", axum::routing::get(async || "mine"));
    let site = Site::with(Http::on("127.0.0.1:0").merge(own), |builder| builder).await;
    let answer = Asked::get("/own").to(site.address).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "mine"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    Asked::get("/api/v1/devices").to(site.address).await.problem(401, "unauthenticated");
    site.running.stop().await;
    let twice = axum::Router::new().route("/metrics", axum::routing::get(async || "mine"));
    let started = Gateway::builder()
        .store(format!("memory:twice-{}", fastrand::u64(..)))
        .layer(Http::on("127.0.0.1:0").merge(twice))
        .start()
        .await;
    assert!(started.err().unwrap().to_string().contains("repeat a path"));
}

#[tokio::test]
async fn the_page_is_served_for_views_and_nothing_else() {
    let site = Site::start().await;
    let index = Asked::get("/devices/attic").to(site.address).await;
    assert_eq!(index.status, 200);
    assert!(index.header("content-type").starts_with("text/html"));
    assert_eq!(index.header("cache-control"), "no-cache");
    let tag = index.header("etag").to_owned();
    let again = Asked::get("/").header("If-None-Match", &tag).to(site.address).await;
    assert_eq!(again.status, 304);
    assert!(again.body.is_empty());
    Asked::get("/nothing.js").to(site.address).await.problem(404, "not-found");
    for path in ["/docs", "/health", "/health/x", "/metrics/x"] {
        Asked::get(path).to(site.address).await.problem(404, "not-found");
    }
    for path in ["/", "/devices/attic", "/assets/x.js"] {
        let posted = Asked::new(Method::POST, path).to(site.address).await;
        posted.problem(405, "method");
        assert_eq!(posted.header("allow"), "GET,HEAD");
    }
    site.running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_says_what_can() {
    let site = Site::start().await;
    for route in iot_http::routes() {
        let path = route.path.replace(['{', '}'], "");
        let answer = site.ask(Method::PUT, &path).await;
        answer.problem(405, "method");
        let allowed: Vec<&str> = answer.header("allow").split(',').collect();
        assert!(allowed.contains(&route.method.as_str()), "{path}: {allowed:?}");
    }
    site.running.stop().await;
}

#[cfg(feature = "page")]
#[tokio::test]
async fn assets_are_compressed_ahead_and_kept_for_ever() {
    let site = Site::start().await;
    let index = Asked::get("/").to(site.address).await.text();
    let Some(at) = index.find("/assets/") else {
        assert!(index.contains("not part of this build"), "{index}");
        return;
    };
    assert!(index.contains("content=\"1.2.3+test\""), "{index}");
    let script = index[at..].split('"').next().unwrap();
    let plain = Asked::get(script).to(site.address).await;
    let packed = Asked::get(script).header("Accept-Encoding", "gzip, br").to(site.address).await;
    assert_eq!(packed.header("content-encoding"), "br");
    assert_eq!(packed.header("vary"), "Accept-Encoding");
    assert!(packed.header("cache-control").contains("immutable"));
    assert!(packed.body.len() < plain.body.len());
    assert_ne!(packed.header("etag"), plain.header("etag"));
    site.running.stop().await;
}
