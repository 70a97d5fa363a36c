//! What the bench's devices publish.

use std::io::Write as _;

use iot_core::clock::SystemClock;
use iot_core::port::Clock as _;
use iot_testkit::mqtt::Publication;

/// So many devices speak in turn, each with one sensor.
const DEVICES: u64 = 1_000;
/// The devices' readings begin so long ago, and are so far apart.
const AGO_MS: i64 = 3_600_000;
const APART_MS: i64 = 10;
/// What a device's id begins with.
pub(super) const PREFIX: &str = "bench";

/// Numbered readings, of which no two are of one sensor and instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    from_ms: i64,
}

impl Readings {
    pub(super) fn new() -> Self {
        let now = SystemClock::new(true).now().wall;
        Self { from_ms: now.as_millis() - AGO_MS }
    }

    /// The `n`th reading as a message of its own.
    pub(super) fn one(self, n: u64, message: &mut Publication) {
        self.some(n % DEVICES, n / DEVICES, 1, message);
    }

    /// The `n`th backlog of so many readings of one device, which sent none before.
    pub(super) fn backlog(self, n: u64, readings: u64, message: &mut Publication) {
        self.some(n % DEVICES, n / DEVICES * readings, readings, message);
    }

    fn some(
        self,
        device: u64,
        from: u64,
        count: u64,
        Publication { topic, payload }: &mut Publication,
    ) {
        topic.push_str("devices/");
        topic.push_str(PREFIX);
        topic.push_str(&device.to_string());
        topic.push_str("/data");
        for n in from..from + count {
            let start = if count == 1 {
                ""
            } else if n == from {
                "["
            } else {
                ","
            };
            let ts = self.from_ms + n as i64 * APART_MS;
            let value = 18 + (device + n) % 7;
            // Writing to memory does not fail.
            let _ = write!(payload, r#"{start}{{"ts":{ts},"t":{value}.5}}"#);
        }
        if count > 1 {
            payload.push(b']');
        }
    }
}
