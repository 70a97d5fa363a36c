//! How the server ends.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use iot_testkit::servers::IotServer;
use iot_testkit::servers::http::Request;
use iot_testkit::wait::until_blocking;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use crate::sql;

const PROMISED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A host that is polled ten times as often as it is by default.
const BUSY: &str =
    "[[instance]]\nname = \"host\"\nkind = \"host\"\n[instance.config]\ninterval_ms = 100\n";

#[test]
fn sigterm_under_load_ends_in_time_with_0_and_loses_nothing() {
    let mut server = IotServer::builder(crate::SERVER).config(BUSY).start().unwrap();
    let token = server.admin_token().unwrap();
    for round in 0..if crate::long() { 100 } else { 3 } {
        if round > 0 {
            server.restart().unwrap();
        }
        one_end(&mut server, &token);
    }
    assert_eq!(sql::integrity(&server.data_dir()), "ok");
}

fn one_end(server: &mut IotServer, token: &str) {
    let address = server.address();
    let (stop, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let (accepted, status, took) = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let devices = Request::new("GET", "/api/v1/devices").bearer(token);
                    if devices.send(address).is_ok() {
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        until_blocking("requests are under way", PATIENCE, || asked.load(Ordering::Relaxed) > 20);
        let accepted = until_blocking("readings are taken in", PATIENCE, || {
            let ledger = Request::new("GET", "/api/v1/diagnostics").bearer(token);
            let ledger = ledger.send(address).unwrap().json().unwrap()["ledger"].clone();
            ledger["accepted"].as_u64().filter(|accepted| *accepted > 0).ok_or(ledger)
        });
        let began = Instant::now();
        let status = server.sigterm(PATIENCE);
        let took = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        (accepted, status, took)
    });
    assert_eq!(status.unwrap().code(), Some(0), "{}", server.stderr());
    assert!(took <= PROMISED, "it took {took:?}");
    let kept = "select (select count(*) from device_data) \
                + (select coalesce(sum(count), 0) from device_data_sealed)";
    let kept = sql::number(&server.data_dir(), kept).unwrap();
    assert!(kept >= accepted, "{accepted} were taken in, {kept} are kept");
}

#[test]
fn an_interrupt_is_as_good_as_sigterm_and_the_log_says_so() {
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    signal(&server, Signal::SIGINT);
    let code = until_blocking("it ends", PROMISED, || server.ended());
    assert_eq!(code.code(), Some(0));
    let last = server.stderr().lines().last().unwrap().to_owned();
    let line: Json = serde_json::from_str(&last).unwrap();
    assert_eq!(line["message"], "stopped", "JSON where there is no terminal: {last}");
}

fn signal(server: &IotServer, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(server.pid()).unwrap()), signal).unwrap();
}

/// Waits for a line of the log.
fn log(server: &IotServer, what: &str) -> String {
    until_blocking(what, PATIENCE, || {
        let log = server.stderr();
        let line = log.lines().find(|line| line.contains(what)).map(str::to_owned);
        line.ok_or_else(|| log.lines().last().unwrap_or_default().to_owned())
    })
}

/// Writes the configuration file and has it read again.
fn reload(server: &IotServer, toml: &str) {
    std::fs::write(server.folder().join("iot.toml"), toml).unwrap();
    signal(server, Signal::SIGHUP);
}

fn name(server: &IotServer, token: &str) -> Json {
    let settings = Request::new("GET", "/api/v1/settings").bearer(token).send(server.address());
    settings.unwrap().json().unwrap()["gateway_name"].clone()
}

#[test]
fn a_reload_takes_what_can_change_and_says_what_cannot() {
    let server = IotServer::builder(crate::SERVER).config("[gateway]\nname = \"a\"\n");
    let server = server.start().unwrap();
    let token = server.admin_token().unwrap();
    assert_eq!(name(&server, &token)["source"], "file");

    reload(&server, "[gateway]\nname = \"b\"\nnmae = \"c\"\n");
    assert!(log(&server, "the old one holds").contains("gateway.nmae"));
    assert_eq!(name(&server, &token)["value"], "a", "a wrong file changes nothing");

    reload(&server, "[gateway]\nname = \"b\"\n[storage]\nwear = \"sd\"\n");
    assert!(log(&server, "only from the next start").contains("storage.wear"));
    log(&server, "the configuration was read again");
    assert_eq!(name(&server, &token)["value"], "b");
}

#[test]
fn a_reload_compares_with_what_runs_and_not_with_the_file_read_last() {
    // The flag --http stands over [http] listen, so this takes another key.
    let runs = "[time]\ntrust = \"always\"\n[gateway]\nname = \"a\"\n";
    let server = IotServer::builder(crate::SERVER).config(runs).start().unwrap();
    let warned = || server.stderr().matches("only from the next start").count();
    let read = |times: usize| {
        until_blocking("the file is read", PATIENCE, || {
            match server.stderr().matches("was read again").count() {
                count if count == times => Ok(()),
                count => Err(count),
            }
        });
    };
    reload(&server, "[http]\nlisten = [\"127.0.0.1:1\"]\n[gateway]\nname = \"a\"\n");
    read(1);
    assert!(log(&server, "only from the next start").contains("time.trust"));
    assert_eq!(warned(), 1, "what a flag decides does not change: {}", server.stderr());
    reload(&server, runs);
    read(2);
    assert_eq!(warned(), 1, "this is what runs: {}", server.stderr());
    assert!(!server.stderr().contains("a setting was taken"), "{}", server.stderr());
    reload(&server, "[gateway]\nname = \"a\"\n[storage]\ndisk_cap = \"1GiB\"\n");
    read(3);
    assert_eq!(warned(), 3, "{}", server.stderr());
    assert!(log(&server, "storage.disk_cap").contains("only from the next start"));
}

#[test]
fn the_log_follows_its_level_at_once() {
    let server = IotServer::builder(crate::SERVER).config("").start().unwrap();
    let token = server.admin_token().unwrap();
    let level = Request::new("PATCH", "/api/v1/settings").bearer(&token);
    let level = level.json(&json!({"log_level": "error"})).send(server.address()).unwrap();
    assert_eq!(level.status, 200, "{}", level.text());
    reload(&server, "[gateway]\nname = \"b\"\n");
    until_blocking("the reload is taken", PATIENCE, || {
        let name = name(&server, &token);
        if name["value"] == "b" { Ok(()) } else { Err(name) }
    });
    reload(&server, "[gateway]\nnmae = \"b\"\n");
    log(&server, "the old one holds");
    assert!(!server.stderr().contains("was read again"), "{}", server.stderr());
}
