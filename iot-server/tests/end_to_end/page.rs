//! The page in a real browser: the first visit by the printed link, every view in both languages and
//! themes, and a restart of the server under it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use iot_testkit::servers::{IotServer, Process, chromium, find_program};
use iot_testkit::wait::until_blocking;

/// A browser on a busy machine is slow.
const DRIVEN_WITHIN: Duration = Duration::from_secs(300);

#[test]
fn a_browser_signs_in_looks_around_and_survives_a_restart() {
    let e2e = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/e2e");
    let mut server = IotServer::builder(crate::SERVER).start().unwrap();
    let link = server.sign_in_link().unwrap();
    let (shots, signal) = (server.folder().join("shots"), server.folder().join("restart"));
    std::fs::write(&signal, "").unwrap();

    let mut drive = Command::new(find_program("node", "nodejs").unwrap());
    drive.current_dir(e2e).arg("drive.mjs");
    drive.args(["--url", &server.base_url(), "--link", &link]);
    drive.arg("--out").arg(&shots).arg("--restart-file").arg(&signal);
    drive.env("CHROMIUM", chromium::path().unwrap());
    let mut drive = Process::start("drive", drive, server.folder()).unwrap();

    let asked = until_blocking("the browser wants a restart", DRIVEN_WITHIN, || {
        if drive.ended().is_some() {
            return Ok(false);
        }
        let word = std::fs::read_to_string(&signal).unwrap();
        if word == "ready" { Ok(true) } else { Err("it looks around") }
    });
    if asked {
        server.restart().unwrap();
        std::fs::write(&signal, "restarted").unwrap();
    }
    let status = drive.wait(DRIVEN_WITHIN).unwrap();
    assert!(status.success() && asked, "{}", drive.last_lines());
    assert!(std::fs::read_dir(shots).unwrap().count() > 0, "screenshots were left");
}
