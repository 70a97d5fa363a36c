//! Who may do what: each declared route with every sort of credential.

use hyper::Method;
use iot_core::domain::{DeviceId, Principal, Role, Scope, TokenSecret};
use iot_http::{Needs, routes};
use serde_json::json;

use crate::kit::{Asked, Site};

fn filled(path: &str) -> String {
    path.replace("{device_id}", "nobody")
        .replace("{sensor_id}", "nobody.t")
        .replace("{command_id}", "c-1")
        .replace("{token_id}", "0123456789abcdef")
        .replace("{kind}", "none")
        .replace("{name}", "none")
}

fn least(needs: Needs) -> Option<Role> {
    match needs {
        Needs::Nothing | Needs::Itself => None,
        Needs::OnDevice(action)
        | Needs::OnSensor(action)
        | Needs::OnList(action)
        | Needs::OnGateway(action) => Some(action.least_role()),
    }
}

#[tokio::test]
async fn every_route_is_closed_to_those_without_a_credential_and_to_roles_too_low() {
    let site = Site::start().await;
    let [viewer, operator] =
        [site.token(Role::Viewer, Scope::All).await, site.token(Role::Operator, Scope::All).await];
    let revoked = site.token(Role::Admin, Scope::All).await;
    let hash = TokenSecret::given(&revoked).hash();
    site.running.revoke(&Principal::local(), &hash).await.unwrap();
    let link = site.link().await;
    let strangers = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", &site.admin[..32]),
        format!("Bearer {}x", site.admin),
        format!("Bearer {revoked}"),
        format!("Bearer {link}"),
        format!("Bearer {}", TokenSecret::given(&site.admin).hash().0),
        format!("Basic {}", site.admin),
        site.admin.clone(),
    ];
    let mut cells = 0;
    for route in routes() {
        let path = filled(route.path);
        let asked = Asked::new(route.method.clone(), &path).json(&json!({}));
        let Some(least) = least(route.needs) else { continue };
        let without = asked.clone().to(site.address).await;
        without.problem(401, "unauthenticated");
        for stranger in &strangers {
            let answer = asked.clone().header("Authorization", stranger).to(site.address).await;
            answer.problem(401, "unauthenticated");
            cells += 1;
        }
        for (role, token) in
            [(Role::Viewer, &viewer), (Role::Operator, &operator), (Role::Admin, &site.admin)]
        {
            // Making a link has no wrong input, and would make one.
            let answer = asked.clone().bearer(token).to(site.address).await;
            if role < least {
                answer.problem(403, "forbidden");
            } else {
                assert!(
                    ![401, 403].contains(&answer.status),
                    "{} {path} as {role:?}",
                    route.method
                );
                assert!(answer.status < 500, "{} {path}: {}", route.method, answer.text());
            }
            cells += 1;
        }
    }
    assert!(cells > 300, "{cells} cells");
    site.running.stop().await;
}

#[tokio::test]
async fn paths_that_nobody_declared_are_closed_before_they_are_missing() {
    let site = Site::start().await;
    for path in ["/api", "/api/", "/api/v1", "/api/v1/users", "/api/v2/devices", "/api/v1/inbox/x"]
    {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let asked = Asked::new(method, path);
            asked.clone().to(site.address).await.problem(401, "unauthenticated");
            asked.bearer(&site.admin).to(site.address).await.problem(404, "not-found");
        }
    }
    let wrong_method = site.ask(Method::PUT, "/api/v1/devices").await;
    wrong_method.problem(405, "method");
    assert!(wrong_method.header("allow").contains("GET"), "{:?}", wrong_method.headers);
    Asked::new(Method::PUT, "/api/v1/devices")
        .to(site.address)
        .await
        .problem(401, "unauthenticated");
    site.running.stop().await;
}

#[tokio::test]
async fn a_scope_of_devices_reaches_these_and_nothing_of_the_gateway() {
    let site = Site::start().await;
    site.put("own.t", 1_700_000_000_000, 1.0).await;
    site.put("other.t", 1_700_000_000_000, 2.0).await;
    let own = DeviceId::parse("own").unwrap();
    let token = site.token(Role::Viewer, Scope::Devices(vec![own])).await;
    let get = async |path: &str| Asked::get(path).bearer(&token).to(site.address).await;
    let listed = get("/api/v1/devices").await.ok(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["device_id"], "own");
    assert_eq!(get("/api/v1/sensors").await.ok(200)["items"].as_array().unwrap().len(), 1);
    get("/api/v1/devices/own").await.ok(200);
    get("/api/v1/sensors/own.t/data").await.ok(200);
    for path in [
        "/api/v1/devices/other",
        "/api/v1/sensors/other.t",
        "/api/v1/sensors/other.t/data",
        "/api/v1/data?sensors=own.t,other.t",
        "/api/v1/settings",
        "/api/v1/instances",
        "/api/v1/diagnostics",
        "/metrics",
    ] {
        get(path).await.problem(403, "forbidden");
    }
    let denied = |e: &serde_json::Value| e["outcome"] == "denied" && e["target"] == "device:other";
    site.audited("the refusal", denied).await;
    site.running.stop().await;
}
