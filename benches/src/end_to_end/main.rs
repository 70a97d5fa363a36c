//! The end-to-end bench: prints one table. Each row runs in a process of its own, so that what it
//! writes and holds is counted apart.
//!
//! `cargo run --release -p benches --bin end_to_end [--minutes N] [ROW …]`

mod latency;
mod mqtt;
mod process;
mod rows;
mod server;
mod trickle;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;

/// A row: its name, what it measures, the bar, and what measures it.
struct Row {
    name: &'static str,
    what: &'static str,
    bar: &'static str,
}

const ROWS: [Row; 15] = [
    Row {
        name: "durable",
        what: "plugin to durable row, 1,000 sensors in turn",
        bar: ">= 200,000 readings/s",
    },
    Row { name: "bytes_1", what: "written a reading, 1 a commit", bar: "B" },
    Row { name: "bytes_100", what: "written a reading, 100 a commit", bar: "B" },
    Row { name: "bytes_1000", what: "written a reading, 1,000 a commit", bar: "B" },
    Row { name: "trickle_ssd", what: "100 senders once a second, waiting", bar: "< 20 GB a day" },
    Row { name: "trickle_sd", what: "the same, wear = \"sd\"", bar: "< 2.5 GB a day" },
    Row { name: "latency", what: "submit to WebSocket, 200/s, 10 sockets", bar: "p50 < 1 ms" },
    Row {
        name: "mqtt_one",
        what: "MQTT QoS 1 to durable row, 1 connection with 2,000 in flight",
        bar: "ratio >= 1, < 60 MB",
    },
    Row {
        name: "mqtt_many",
        what: "the same, 500 connections with 4 in flight each",
        bar: "ratio >= 1, < 60 MB",
    },
    Row {
        name: "mqtt_lone",
        what: "the same, 1 connection with 1 in flight",
        bar: ">= 100/s for 5 s, >= 15/s for ever",
    },
    Row {
        name: "mqtt_latency",
        what: "MQTT publish to WebSocket, 200/s, 10 sockets",
        bar: "p50 < 1.5 ms, p99 < 6 ms",
    },
    Row {
        name: "mqtt_drain",
        what: "a link's backlog of 1,000,000 readings while 2,000/s come; 1,000 in flight",
        bar: ">= 20,000 readings/s",
    },
    Row {
        name: "mqtt_drain_20",
        what: "the same to a mosquitto as it comes, which takes 20 in flight",
        bar: ">= 20,000 readings/s",
    },
    Row { name: "start", what: "server: start to ready", bar: "< 300 ms" },
    Row { name: "idle", what: "server: resident when idle, binary size", bar: "< 30 MB" },
];

#[expect(clippy::print_stdout, reason = "the table is what this program makes")]
fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "row") {
        let minutes = args.get(2).and_then(|m| m.parse().ok()).unwrap_or(10.0);
        let name = args.get(1).map_or("", String::as_str);
        return match measure(name, Duration::from_secs_f64(minutes * 60.0)) {
            Ok(result) => {
                println!("{result}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("failed: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let mut minutes = "10".to_owned();
    if let Some(at) = args.iter().position(|arg| arg == "--minutes") {
        args.remove(at);
        if at < args.len() {
            minutes = args.remove(at);
        }
    }
    println!("| what | measured | bar |\n| --- | --- | --- |");
    let mut worst = ExitCode::SUCCESS;
    for row in ROWS.iter().filter(|row| args.is_empty() || args.iter().any(|a| a == row.name)) {
        let result = in_a_process(row.name, &minutes);
        if let Err(error) = &result {
            worst = ExitCode::FAILURE;
            println!("| {} | {error:#} | {} |", row.what, row.bar);
        } else if let Ok(result) = result {
            println!("| {} | {result} | {} |", row.what, row.bar);
        }
    }
    worst
}

fn in_a_process(row: &str, minutes: &str) -> anyhow::Result<String> {
    let me = std::env::current_exe().context("this program has no path")?;
    let output = Command::new(me)
        .args(["row", row, minutes])
        // Servers lie on the disk that is built on too.
        .env("TMPDIR", process::beside()?)
        .stderr(Stdio::inherit())
        .output()
        .context("the row's process did not start")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn measure(row: &str, long: Duration) -> anyhow::Result<String> {
    use iot_core::pipeline::policy::Wear;
    match row {
        "start" => return server::start(),
        "idle" => return server::idle(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match row {
            "durable" => rows::durable(Duration::from_secs(20)).await,
            "bytes_1" => rows::bytes(1, 2_000).await,
            "bytes_100" => rows::bytes(100, 2_000).await,
            "bytes_1000" => rows::bytes(1_000, 1_000).await,
            "trickle_ssd" => trickle::run(Wear::Ssd, long).await,
            "trickle_sd" => trickle::run(Wear::Sd, long).await,
            "latency" => latency::run(Duration::from_secs(20)).await,
            "mqtt_one" => mqtt::flood::run(1, 2_000).await,
            "mqtt_many" => mqtt::flood::run(500, 4).await,
            "mqtt_lone" => mqtt::lone::run().await,
            "mqtt_latency" => latency::by_mqtt(Duration::from_secs(20)).await,
            "mqtt_drain" => mqtt::drain::run(1_000_000, 1_000).await,
            "mqtt_drain_20" => mqtt::drain::run(1_000_000, 20).await,
            other => anyhow::bail!("there is no row {other}"),
        }
    })
}
