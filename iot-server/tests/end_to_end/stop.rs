//! How the server ends.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use iot_testkit::servers::IotServer;
use iot_testkit::servers::http::Request;
use iot_testkit::wait::until_blocking;

use crate::sql;

const PROMISED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A host that is polled ten times as often as a person would.
const BUSY: &str =
    "[[instance]]\nname = \"host\"\nkind = \"host\"\n[instance.config]\ninterval_ms = 100\n";

#[test]
fn sigterm_under_load_ends_in_time_with_0_and_loses_nothing() {
    let mut server = IotServer::builder(crate::SERVER).config(BUSY).start().unwrap();
    let token = server.admin_token().unwrap();
    let data = server.data_dir();
    until_blocking("readings are stored", PATIENCE, || {
        match sql::number(&data, "select count(*) from device_data")? {
            0 => Err("none".to_owned()),
            count => Ok(count),
        }
    });
    let address = server.address();
    let (stop, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let (status, took) = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let devices = Request::new("GET", "/api/v1/devices").bearer(&token);
                    if devices.send(address).is_ok() {
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        until_blocking("requests are under way", PATIENCE, || asked.load(Ordering::Relaxed) > 20);
        let began = Instant::now();
        let status = server.sigterm(PATIENCE);
        let took = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        (status, took)
    });
    assert_eq!(status.unwrap().code(), Some(0), "{}", server.stderr());
    assert!(took <= PROMISED, "it took {took:?}");
    // Nothing is left in the write-ahead log, nor is the lock.
    assert_eq!(sql::integrity(&data), "ok");
    server.restart().unwrap();
}

#[test]
fn an_interrupt_is_as_good_as_sigterm_and_the_log_says_so() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    interrupt(&server);
    let code = until_blocking("it ends", PROMISED, || server.ended());
    assert_eq!(code.code(), Some(0));
    let last = server.stderr().lines().last().unwrap().to_owned();
    let line: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(line["message"], "stopped", "JSON where there is no terminal: {last}");
}

fn interrupt(server: &IotServer) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
}

#[test]
fn a_reload_takes_what_can_change_and_says_what_cannot() {
    let server = IotServer::builder(crate::SERVER).config("[gateway]\nname = \"a\"\n");
    let server = server.start().unwrap();
    let token = server.admin_token().unwrap();
    let name = || {
        let settings = Request::new("GET", "/api/v1/settings").bearer(&token);
        settings.send(server.address()).unwrap().text()
    };
    assert!(name().contains("\"a\""), "{}", name());

    let file = server.folder().join("iot.toml");
    let log = |what: &str| {
        until_blocking("the log says it", PATIENCE, || {
            let log = server.stderr();
            let line = log.lines().find(|line| line.contains(what)).map(str::to_owned);
            line.ok_or_else(|| log.lines().last().unwrap_or_default().to_owned())
        })
    };
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let hangup = || nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();

    std::fs::write(&file, "[gateway]\nname = \"b\"\nnmae = \"c\"\n").unwrap();
    hangup();
    assert!(log("the old one holds").contains("gateway.nmae"));
    assert!(name().contains("\"a\""), "a wrong file changes nothing");

    std::fs::write(&file, "[gateway]\nname = \"b\"\n[storage]\nwear = \"sd\"\n").unwrap();
    hangup();
    assert!(log("only from the next start").contains("storage.wear"));
    log("the configuration was read again");
    assert!(name().contains("\"b\""), "{}", name());
}
