//! The server itself, as it is run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process::{folder, resident_kb, server};

struct Server {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the row has said by then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts the server and waits for its sign-in link.
fn launch() -> anyhow::Result<Server> {
    let data = folder()?;
    let mut child = Command::new(server()?)
        .args(["run", "--http", "127.0.0.1:0", "--mqtt", "off", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().context("its output was asked for")?;
    let mut address = None;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some((_, rest)) = line.split_once("http://") {
            address = rest.split_once('/').map(|(address, _)| address.to_owned());
            break;
        }
    }
    let address = address.context("the server printed no link")?;
    Ok(Server { child, address, _data: data })
}

fn ready(address: &str) -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// From starting the process to `/health/ready`, the middle of five.
pub(crate) fn start() -> anyhow::Result<String> {
    let mut took = Vec::new();
    for _ in 0..5 {
        let from = Instant::now();
        let server = launch()?;
        while !ready(&server.address)? {
            anyhow::ensure!(from.elapsed() < Duration::from_secs(10), "it did not become ready");
        }
        took.push(from.elapsed());
    }
    took.sort();
    Ok(format!("{:.0?} (first start, link printed)", took[2]))
}

/// What it holds after a minute with its own host's readings and nobody looking.
pub(crate) fn idle() -> anyhow::Result<String> {
    let running = launch()?;
    let end = Instant::now() + Duration::from_secs(60);
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(resident_kb(running.child.id())?);
        std::io::stdout().flush()?;
        pause();
    }
    let size = std::fs::metadata(server()?)?.len();
    Ok(format!("{:.1} MB resident, binary {:.1} MB", most as f64 / 1024.0, size as f64 / 1e6))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench watches a process from outside, by the second"
)]
fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}
