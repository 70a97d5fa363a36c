//! Operator commands: through the running server, and in-process where none runs.

use std::time::Duration;

use iot_testkit::servers::http::Request;
use iot_testkit::servers::{IotServer, TestFolder};
use iot_testkit::wait::until_blocking;

use crate::command::{run, run_with};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_default_configuration_is_printed_and_right() {
    let folder = TestFolder::new("config").unwrap();
    let said = run(folder.path(), &["config", "--default"]);
    assert!(said.printed().contains("[http]\nlisten = [\"127.0.0.1:8080\"]"), "{said:?}");
    std::fs::write(folder.path().join("iot.toml"), &said.out).unwrap();
    let said = run(folder.path(), &["check-config", "--config", "iot.toml"]);
    assert!(said.printed().contains("iot.toml"), "{said:?}");
}

#[test]
fn wrong_flags_end_with_2_and_help_with_0() {
    let folder = TestFolder::new("flags").unwrap();
    for args in [&["run", "--http", "8080"][..], &["--dta", "x"], &["token", "create", "x"]] {
        let said = run(folder.path(), args);
        assert_eq!(said.code, Some(2), "{said:?}");
    }
    for args in [&["--help"][..], &["token", "--help"], &["--version"]] {
        assert!(!run(folder.path(), args).printed().is_empty());
    }
}

#[test]
fn commands_speak_to_the_running_server() {
    let server = IotServer::builder(crate::SERVER).start().unwrap();
    let cli = |args: &[&str]| run(server.folder(), &[args, &["--data", "data"]].concat());
    let secret = cli(&["token", "create", "ci", "--role", "viewer", "--expires", "30d"]);
    let secret = secret.printed().to_owned();
    let read =
        Request::new("GET", "/api/v1/devices").bearer(&secret).send(server.address()).unwrap();
    assert_eq!(read.status, 200);
    let again = cli(&["token", "create", "ci", "--role", "viewer"]);
    assert!(again.sentence(1).contains("ci"), "{again:?}");
    let list = cli(&["token", "list"]);
    assert!(list.printed().lines().any(|line| line.starts_with("ci ")), "{list:?}");
    assert!(!list.out.contains(&secret), "a secret is shown once");

    until_blocking("the host is there", PATIENCE, || {
        let list = cli(&["device", "list"]);
        if list.out.contains("host") { Ok(()) } else { Err(format!("{list:?}")) }
    });
    cli(&["device", "rename", "host", "This machine"]).printed();
    assert!(cli(&["device", "show", "host"]).printed().contains("This machine"));
    assert!(cli(&["device", "list", "--json"]).printed().starts_with('['));
    assert!(cli(&["device", "show", "nobody"]).sentence(1).contains("nobody"));
    assert!(cli(&["device", "show", "../tokens"]).sentence(1).contains("device_id"));
    assert!(cli(&["plugin", "list"]).printed().contains("host"));
    assert_eq!(cli(&["token", "revoke", "ci"]).printed(), "ci is revoked");
    let read =
        Request::new("GET", "/api/v1/devices").bearer(&secret).send(server.address()).unwrap();
    assert_eq!(read.status, 401);
}

#[test]
fn the_same_commands_work_where_no_server_runs() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let token = server.admin_token().unwrap();
    assert!(server.sigterm(Duration::from_secs(10)).unwrap().success());
    let secret =
        run(server.folder(), &["token", "create", "x", "--role", "viewer", "--data", "data"]);
    let secret = secret.printed().to_owned();
    let link = run(server.folder(), &["token", "link", "--data", "data"]);
    let link = link.printed().split_once("#token=").unwrap().1.to_owned();
    std::fs::write(server.folder().join("other.toml"), "[http]\nlisten = ['127.0.0.1:18120']\n")
        .unwrap();
    for (flags, variables, at) in [
        (&[][..], &[][..], "127.0.0.1:8080"),
        (&["--config", "other.toml"], &[], "127.0.0.1:18120"),
        (&["--config", "other.toml"], &[("IOT_HTTP__LISTEN", "[::1]:18121")], "[::1]:18121"),
    ] {
        let args = [&["token", "link", "--data", "data"][..], flags].concat();
        let said = run_with(server.folder(), &args, variables);
        assert!(said.printed().starts_with(&format!("http://{at}/#token=")), "{said:?}");
        let sentences: Vec<&str> = said.err.lines().filter(|l| !l.starts_with('{')).collect();
        assert!(
            sentences.len() == 1 && sentences[0].contains(&format!("must be running at {at}")),
            "{said:?}"
        );
    }
    assert!(run(server.folder(), &["device", "list", "--data", "data"]).printed().contains("host"));

    server.restart().unwrap();
    for token in [&token, &secret] {
        let read = Request::new("GET", "/api/v1/devices").bearer(token).send(server.address());
        assert_eq!(read.unwrap().status, 200);
    }
    let session = Request::new("POST", "/api/v1/session").json(&serde_json::json!({"token": link}));
    assert!(session.send(server.address()).unwrap().status < 300, "the link outlives the command");
}

#[test]
fn a_command_makes_no_gateway() {
    let folder = TestFolder::new("nothing").unwrap();
    let said = run(folder.path(), &["token", "list"]);
    assert!(said.sentence(1).contains("no gateway in ./data"), "{said:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_stale_socket_of_a_killed_server_is_no_server() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    server.kill9();
    assert!(server.data_dir().join("control.sock").exists());
    let list = run(server.folder(), &["token", "list", "--data", "data"]);
    assert!(list.printed().contains("admin"), "{list:?}");
    server.restart().unwrap();
}
