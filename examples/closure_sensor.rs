//! The smallest sensor: a closure. Its readings are kept, read back, and printed.
//!
//! `cargo run -p examples --example closure_sensor [DATA_FOLDER]`

use iot_core::domain::{SensorId, TimeRange};
use iot_core::gateway::Gateway;
use iot_core::pipeline::Live;
use iot_core::pipeline::Received;
use iot_plugins as _; // brings the plugin host
use iot_storage as _; // brings the scheme `sqlite`

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).unwrap_or_else(|| "data-example".to_owned());
    let mut n = 0.0;
    let gateway = Gateway::builder()
        .store("sqlite:iot.db")
        .data_dir(data)
        .poll_fn("counter", move |out| {
            n += 1.0;
            out.number("n", n);
        })
        .start()
        .await?;

    let mut live = gateway.subscribe();
    let mut left = 3;
    while left > 0 {
        if let Some(Received::Batch(batch)) = live.next().await
            && let Live::Readings(readings) = batch.live
        {
            for reading in readings.iter() {
                say(&format!("{} = {:?} at {}", reading.sensor.id, reading.value, reading.ts));
            }
            left -= 1;
        }
    }
    let sensor = gateway.sensor(&SensorId::parse("counter.n")?);
    let no = sensor.ok_or_else(|| anyhow::anyhow!("counter.n was just read"))?.sensor.no;
    gateway.stop().await;

    let gateway = Gateway::builder()
        .store("sqlite:iot.db")
        .data_dir(std::env::args().nth(1).unwrap_or_else(|| "data-example".to_owned()));
    let gateway = gateway.start().await?;
    let page = gateway.history().raw(no, TimeRange::ALL, None, 1000).await?;
    say(&format!("{} readings on file", page.points.len()));
    gateway.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example speaks on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
