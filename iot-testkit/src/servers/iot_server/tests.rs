//! A server that is not: this test binary, behind a script with the server's command line.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

const ARGS: &str = "FAKE_SERVER_ARGS";

/// No test by itself: what the fake binary runs. It answers 503 once, then 200.
#[test]
fn fake_server() {
    let Ok(args) = std::env::var(ARGS) else { return };
    assert!(std::env::var_os("IOT_TEST_TIER").is_none(), "the tier is not configuration");
    let args: Vec<&str> = args.split(' ').collect();
    let value = |flag| args[args.iter().position(|arg| *arg == flag).unwrap() + 1];
    fs::write(format!("{}/admin-token", value("--data")), "secret\n").unwrap();
    if args.contains(&"--broken") {
        panic!("unknown key `htpp`");
    }
    let listener = TcpListener::bind(value("--http")).unwrap();
    let mut status = "503 Service Unavailable";
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        write!(stream, "HTTP/1.1 {status}\r\n\r\n").unwrap();
        println!("open http://{}/#token=abc-{status}", value("--http"));
        status = "200 OK";
    }
}

fn fake(folder: &TestFolder) -> IotServerBuilder {
    let binary = folder.path().join("fake");
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n{ARGS}=\"$*\" exec {} --exact --nocapture {}\n",
        test.display(),
        "servers::iot_server::tests::fake_server",
    );
    fs::write(&binary, script).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    IotServer::builder(binary)
}

#[test]
fn a_server_lives_dies_and_comes_back() {
    let folder = TestFolder::new("fake").unwrap();
    let mut server = fake(&folder).config("[gateway]").mqtt().start().unwrap();
    assert_eq!(server.get("/").unwrap().status, 200);
    assert_eq!(server.admin_token().unwrap(), "secret");
    let link = format!("{}/#token=abc-503", server.base_url());
    assert_eq!(server.sign_in_link().unwrap(), link);
    assert!(server.mqtt_address().is_some_and(|mqtt| mqtt != server.address()));

    let first = server.pid();
    server.kill9();
    assert_eq!(server.ended().and_then(|status| status.signal()), Some(9));
    assert!(server.get("/").is_err());
    server.restart().unwrap();
    assert_ne!(server.pid(), first);
    server.restart().unwrap(); // while it runs

    let status = server.sigterm(Duration::from_secs(10)).unwrap();
    assert_eq!(status.signal(), Some(15));
    let error = server.sigterm(Duration::from_secs(10)).unwrap_err();
    assert!(matches!(error.kind, ServerErrorKind::NotRunning));
}

#[test]
fn a_server_that_ends_is_an_error_with_its_words() {
    let folder = TestFolder::new("fake").unwrap();
    let error = fake(&folder).arg("--broken").start().unwrap_err();
    assert!(matches!(error.kind, ServerErrorKind::Ended { .. }));
    assert!(error.to_string().contains("unknown key `htpp`"), "{error}");
}

#[test]
fn half_a_link_is_not_a_link() {
    let start = "http://127.0.0.1:1/#token=";
    assert_eq!(find_link("see http://127.0.0.1:1/#token=ab", start), None);
    let link = find_link("see http://127.0.0.1:1/#token=abc\nmore", start);
    assert_eq!(link.as_deref(), Some("http://127.0.0.1:1/#token=abc"));
}
