//! Bad input at the start: one sentence, an exit code, nothing broken.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use iot_testkit::servers::http::Request;
use iot_testkit::servers::{IotServer, TestFolder, find_program, free_ports};
use iot_testkit::wait::until_blocking;

use crate::command::{Said, finish, run, run_with};
use crate::sql;

/// The arguments of a server that is not meant to start.
fn start(folder: &Path, data: &str, port: u16) -> Said {
    run(folder, &["run", "--data", data, "--http", &format!("127.0.0.1:{port}")])
}

#[test]
fn a_taken_port_is_a_sentence_that_names_the_setting() {
    let server = IotServer::builder(crate::SERVER).start().unwrap();
    let folder = TestFolder::new("taken").unwrap();
    let said = start(folder.path(), "data", server.address().port());
    let sentence = said.sentence(1);
    assert!(sentence.contains("http") && sentence.contains("listen"), "{sentence}");
    assert!(sentence.contains(&server.address().to_string()), "{sentence}");
    assert!(!said.out.contains("#token="), "no way in where nothing is served: {said:?}");
}

#[test]
fn a_first_start_that_failed_takes_nothing_from_the_next() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let folder = TestFolder::new("again").unwrap();
    start(folder.path(), "data", server.address().port()).sentence(1);
    server.kill9();
    // The same folder as that of the failed start, in the place of the server's own.
    std::fs::remove_dir_all(server.data_dir()).unwrap();
    std::fs::rename(folder.path().join("data"), server.data_dir()).unwrap();
    server.restart().unwrap();
    assert!(!server.admin_token().unwrap().is_empty());
    let stored = || sql::number(&server.data_dir(), "select count(*) from device_data");
    until_blocking("the host's readings flow", Duration::from_secs(30), || match stored()? {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
}

#[test]
fn a_folder_in_use_names_its_holder_and_is_left_alone() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let [port] = free_ports("iot-server").unwrap();
    let said = start(server.folder(), "data", port);
    assert!(said.sentence(1).contains(&format!("process {}", server.pid())), "{said:?}");
    assert_eq!(server.get("/health/ready").unwrap().status, 200);
    let list = run(server.folder(), &["token", "list", "--data", "data"]);
    assert!(list.printed().contains("admin"), "its socket is still its own: {list:?}");
    assert!(server.sigterm(Duration::from_secs(10)).unwrap().success());
}

#[test]
fn a_folder_that_cannot_be_written_is_a_sentence() {
    let folder = TestFolder::new("read-only").unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let [port] = free_ports("iot-server").unwrap();
    for data in ["file", "/proc/iot"] {
        let said = start(folder.path(), data, port);
        assert!(said.sentence(1).contains(data), "{said:?}");
    }

    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let rights = std::fs::Permissions::from_mode;
    std::fs::set_permissions(&data, rights(0o555)).unwrap();
    let args = ["run", "--data", "data", "--http", &format!("127.0.0.1:{port}")];
    let said = if nix::unistd::geteuid().is_root() {
        // Rights do not bind root: somebody else starts it, from where it may be read.
        std::fs::set_permissions(folder.path(), rights(0o755)).unwrap();
        let program = folder.path().join("iot-server");
        std::fs::copy(crate::SERVER, &program).unwrap();
        let mut setpriv = Command::new(find_program("setpriv", "util-linux").unwrap());
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        finish(folder.path(), setpriv, &args, &[])
    } else {
        run(folder.path(), &args)
    };
    assert!(said.sentence(1).contains("cannot be written"), "{said:?}");
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    server.sigterm(Duration::from_secs(10)).unwrap();
    let data = server.data_dir();
    let table = "select count(*) from sqlite_master where name = '_sqlx_migrations'";
    if sql::number(&data, table) == Ok(1) {
        sql::change(
            &data,
            "insert into _sqlx_migrations (version, description, installed_on, success, checksum, \
             execution_time) values (999999, 'of the future', '2099-01-01', 1, x'00', 0)",
        );
    }
    sql::change(&data, "pragma user_version = 999999");
    let [port] = free_ports("iot-server").unwrap();
    let said = start(server.folder(), "data", port);
    assert!(said.sentence(1).contains("newer"), "{said:?}");
    assert_eq!(sql::integrity(&data), "ok");
}

#[test]
fn a_wrong_configuration_is_named_and_nothing_is_touched() {
    let folder = TestFolder::new("config").unwrap();
    let file = folder.path().join("iot.toml");
    for (text, place, cure) in [
        (
            "[http]\nlisten = [\"127.0.0.1:1\"]\nhots = []\n",
            "iot.toml, line 3: http.hots",
            "http.hosts",
        ),
        ("[gateway]\ntime_zone = \"Mars\"\n", "gateway.time_zone", "Europe/Berlin"),
        (
            "[[instance]]\nname = \"a\"\nkind = \"hots\"\n",
            "[[instance]] a.kind",
            "did you mean host?",
        ),
        (
            "[[instance]]\nname = \"a\"\nkind = \"host\"\n[instance.config]\ninterval_ms = 1\n",
            "[[instance]] a.config /interval_ms",
            "100",
        ),
        ("[[mqtt.link]]\nname = \"up\"\nurl = \"http://h\"\n", "[[mqtt.link]] up: url", "mqtts://"),
        (
            "[mqtt]\nlisten = [\"0.0.0.0:1883\"]\n",
            "mqtt.listen.0: 0.0.0.0:1883 reaches beyond",
            "plain_beyond_loopback = true",
        ),
        ("[mqtt]\nwebsoket = \"off\"\n", "iot.toml, line 2: mqtt.websoket", "mqtt.websocket?"),
        ("[storage]\nurl = \"oracle:x\"\n", "storage.url", "sqlite"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in ["check-config", "run"] {
            let said = run(folder.path(), &[command, "--config", "iot.toml"]);
            let sentence = said.sentence(2);
            assert!(sentence.contains(place) && sentence.contains(cure), "{sentence}");
        }
    }
    let said = run_with(folder.path(), &["run"], &[("IOT_HTTP__LISTNE", "127.0.0.1:1")]);
    assert!(said.sentence(2).contains("did you mean IOT_HTTP__LISTEN?"), "{said:?}");
    assert!(
        run(folder.path(), &["run", "--config", "missing.toml"])
            .sentence(2)
            .contains("missing.toml")
    );
    let entries: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(entries.len(), 1, "nothing but the file is there: {entries:?}");
}

#[test]
fn what_is_not_built_yet_says_so_and_stops_nothing() {
    let config = "[plugins]\nprocess_plugins = \"approve\"\n";
    let mut server = IotServer::builder(crate::SERVER).config(config).start().unwrap();
    std::fs::write(server.plugins_dir().join("level.py"), "").unwrap();
    server.restart().unwrap();
    let line = "plugins on disk";
    until_blocking("the log says it once", Duration::from_secs(10), || {
        let log = server.stderr();
        let said = log.lines().filter(|said| said.contains(line)).count();
        if said == 1 { Ok(()) } else { Err(format!("{line} {said} times: {log}")) }
    });
}

#[test]
fn two_gateways_run_side_by_side() {
    let one = IotServer::builder(crate::SERVER).config("[gateway]\nid = \"one\"").start().unwrap();
    let two = IotServer::builder(crate::SERVER).config("[gateway]\nid = \"two\"").start().unwrap();
    let token = one.admin_token().unwrap();
    let ask = |server: &IotServer| {
        Request::new("GET", "/api/v1/diagnostics")
            .bearer(&token)
            .send(server.address())
            .unwrap()
            .status
    };
    assert_eq!((ask(&one), ask(&two)), (200, 401), "each has its own tokens");
}
