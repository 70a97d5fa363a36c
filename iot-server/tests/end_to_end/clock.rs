//! A clock in 1970: readings are kept, and say that their time cannot be trusted.

use std::path::PathBuf;
use std::time::Duration;

use iot_testkit::servers::http::Request;
use iot_testkit::servers::{IotServer, find_program};
use iot_testkit::wait::until_blocking;

use crate::sql;

const PATIENCE: Duration = Duration::from_secs(60);

/// The library of Debian's `faketime`, which the program's own path does not tell.
fn library() -> PathBuf {
    find_program("faketime", "faketime").unwrap();
    let places = ["x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf"];
    places
        .into_iter()
        .map(|arch| PathBuf::from(format!("/usr/lib/{arch}/faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists())
        .expect("faketime brings libfaketimeMT.so.1")
}

#[test]
fn in_1970_readings_are_kept_and_marked_unsynced() {
    let server = IotServer::builder(crate::SERVER)
        .env("LD_PRELOAD", library().to_str().unwrap())
        .env("FAKETIME", "@1970-01-02 00:00:00")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start()
        .unwrap();
    let token = server.admin_token().unwrap();
    let data = server.data_dir();
    until_blocking("readings are kept", PATIENCE, || {
        match sql::number(&data, "select count(*) from device_data")? {
            count @ 0..20 => Err(format!("{count}")),
            _ => Ok(()),
        }
    });
    let newest = sql::number(&data, "select max(ts) from device_data").unwrap();
    assert!(newest < 10 * 86_400 * 1_000_000, "the clock of 1970 is not second-guessed: {newest}");

    let device = Request::new("GET", "/api/v1/devices/host").bearer(&token);
    let device = device.send(server.address()).unwrap().json().unwrap();
    let sensor = device["sensors"][0]["sensor_id"].as_str().unwrap_or_else(|| panic!("{device}"));
    let latest = Request::new("GET", &format!("/api/v1/sensors/{sensor}/latest")).bearer(&token);
    let latest = latest.send(server.address()).unwrap().json().unwrap();
    assert_eq!(latest["time"], "unsynced", "{latest}");
}
