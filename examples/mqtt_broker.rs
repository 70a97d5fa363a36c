//! A gateway that is an MQTT broker: what a device publishes on `devices/{device_id}/data` is kept,
//! and acknowledged once it is on disk.
//!
//! `cargo run -p examples --example mqtt_broker`, then, in another terminal,
//! `mosquitto_pub -q 1 -t devices/attic/data -m '{"temperature":21.5}'`. It ends after one message.
//! The first argument is the data folder (`./data-example`), the second the address.

use iot_core::gateway::Gateway;
use iot_core::pipeline::{Live, Received};
use iot_mqtt::Mqtt;
use iot_storage as _; // brings the scheme `sqlite`

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let data = args.next().unwrap_or_else(|| "data-example".to_owned());
    let mqtt = Mqtt::on(args.next().unwrap_or_else(|| "127.0.0.1:1883".to_owned()).parse()?);
    let addresses = mqtt.addresses();

    let gateway =
        Gateway::builder().store("sqlite:iot.db").data_dir(data).layer(mqtt).start().await?;
    let mut live = gateway.subscribe();
    for address in addresses.tcp() {
        say(&format!("mqtt://{address}"));
    }
    while let Some(received) = live.next().await {
        let Received::Batch(batch) = received else { continue };
        let Live::Readings(readings) = batch.live else { continue };
        for reading in readings.iter() {
            say(&format!("{} = {:?}", reading.sensor.id, reading.value));
        }
        break;
    }
    gateway.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example speaks on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
