//! A plugin in one file: a pump with a tank that fills and drains, and a command that switches it.
//!
//! `cargo run -p examples --example plugin_in_one_file [DATA_FOLDER]` runs it for a few polls,
//! sends it a command, and prints what came of it.

use std::time::Duration;

use iot_core::domain::{
    Batch, Command, CommandRequest, CommandSpec, DeviceId, DeviceSpec, Outcome, Principal,
    SensorKey, SensorSpec, ValueType,
};
use iot_core::gateway::Gateway;
use iot_core::port::{ConfigError, OpenCx, OpenError, Plugin, PollError};
use iot_plugins as _; // brings the plugin host
use iot_storage as _; // brings the scheme `sqlite`
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A pump beside a tank.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PumpConfig {
    /// How often the tank's level is read.
    #[schemars(range(min = 10, max = 60_000), extend("x-unit" = "ms"))]
    interval_ms: u64,
    /// What the tank holds.
    #[schemars(extend("x-unit" = "L"))]
    capacity: f64,
}

struct Pump {
    device: DeviceId,
    level: SensorKey,
    running: SensorKey,
    capacity: f64,
    filled: f64,
    on: bool,
}

impl Plugin for Pump {
    const KIND: &'static str = "example_pump";
    type Config = PumpConfig;

    fn validate(config: &PumpConfig) -> Result<(), ConfigError> {
        if config.capacity > 0.0 {
            Ok(())
        } else {
            Err(ConfigError::at("/capacity", "must be more than 0"))
        }
    }

    async fn open(config: PumpConfig, cx: OpenCx) -> Result<Self, OpenError> {
        let key = |text| SensorKey::parse(text).map_err(|e| OpenError::never(e.to_string()));
        let (level, running) = (key("level")?, key("running")?);
        cx.schedule.set(Duration::from_millis(config.interval_ms));

        let mut spec = DeviceSpec::new("pump-1");
        spec.name = Some("Pump".to_owned());
        spec.sensors = vec![
            SensorSpec::number(level.clone(), "L").named("Level").resolution(0.1, 1),
            SensorSpec::of(running.clone(), ValueType::Bool).named("Running"),
        ];
        spec.commands = vec![CommandSpec {
            name: "switch".to_owned(),
            title: Some("Switch".to_owned()),
            params: json!({
                "type": "object",
                "properties": {"on": {"type": "boolean", "title": "On"}},
                "required": ["on"],
                "additionalProperties": false,
            }),
        }];
        let device = cx.announce(spec).map_err(|e| OpenError::never(e.to_string()))?;
        Ok(Self { device, level, running, capacity: config.capacity, filled: 0.0, on: true })
    }

    async fn poll(&mut self, out: &mut Batch) -> Result<(), PollError> {
        let step = if self.on { 1.5 } else { -0.5 };
        self.filled = (self.filled + step).clamp(0.0, self.capacity);
        out.push(&self.device, &self.level, self.filled);
        out.push(&self.device, &self.running, self.on);
        Ok(())
    }

    async fn command(&mut self, command: &Command) -> Outcome {
        // The parameters fit the schema that was announced: `on` is there and is a boolean.
        self.on = command.params["on"] == true;
        Outcome::Done(json!({"on": self.on}))
    }
}

iot_core::register_plugin!(Pump);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).unwrap_or_else(|| "data-example".to_owned());
    let gateway = Gateway::builder()
        .store("sqlite:iot.db")
        .data_dir(data)
        .plugin::<Pump>("pump", PumpConfig { interval_ms: 100, capacity: 50.0 })
        .start()
        .await?;

    let id = DeviceId::parse("pump-1")?;
    let mut live = gateway.subscribe();
    while gateway.device(&id).is_none() {
        live.next().await;
    }
    let request = CommandRequest {
        id: None,
        device: id.clone(),
        name: "switch".to_owned(),
        params: json!({"on": false}),
        timeout: None,
    };
    let sent = gateway.command(&Principal::local(), request).await?;
    let over = gateway.command_over(&sent.id).await;
    say(&format!("command: {:?}", over.map(|record| (record.state, record.result))));
    for _ in 0..5 {
        live.next().await;
    }
    for sensor in gateway.device(&id).iter().flat_map(|view| view.sensors.iter()) {
        say(&format!("{}: {:?}", sensor.sensor.id, sensor.latest.as_ref().map(|l| &l.value)));
    }
    gateway.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example speaks on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
