//! Readings to the text of a log row, written by hand: this runs for every reading.

use iot_core::domain::{Point, Quality, Reading, SensorNo, TimeQuality, Timestamp, Value};

use super::row::{self, Entry, Head, Row};

/// What is written of a reading, whatever type it comes in.
pub(super) trait Written {
    /// Its sensor.
    fn sensor(&self) -> SensorNo;
    /// Its time, as it was taken.
    fn ts(&self) -> Timestamp;
    /// Its value.
    fn value(&self) -> Option<&Value>;
    /// Its quality.
    fn quality(&self) -> &Quality;
    /// The quality of its time.
    fn time(&self) -> TimeQuality;
}

macro_rules! written {
    ($type:ty, $self:ident, $sensor:expr, $($point:tt)+) => {
        impl Written for $type {
            fn sensor(&$self) -> SensorNo { $sensor }
            fn ts(&$self) -> Timestamp { $($point)+.ts }
            fn value(&$self) -> Option<&Value> { $($point)+.value.as_ref() }
            fn quality(&$self) -> &Quality { &$($point)+.quality }
            fn time(&$self) -> TimeQuality { $($point)+.time }
        }
    };
}
written!(&Reading, self, self.sensor.no, self);
written!(Entry, self, self.sensor, self.point);
written!((SensorNo, &Point), self, self.0, self.1);

/// Packs as many of the readings as fit one row; gives the row and how many they were.
pub(super) fn encode<W: Written>(readings: &[W], seq_first: u64) -> (Row, usize) {
    let mut head = Head {
        seq_first,
        seq_last: seq_first,
        t_min: i64::MAX,
        t_max: i64::MIN,
        t_unit: 1000,
        unsynced: false,
        crc: 0,
    };
    let (mut taken, mut bytes) = (0, 0);
    for reading in readings {
        let size = estimate(reading);
        if taken == row::READINGS || (taken > 0 && bytes + size > row::BYTES) {
            break;
        }
        (taken, bytes) = (taken + 1, bytes + size);
        let t = reading.ts().as_micros();
        (head.t_min, head.t_max) = (head.t_min.min(t), head.t_max.max(t));
        head.unsynced |= matches!(reading.time(), TimeQuality::Unsynced { .. });
    }
    let readings = &readings[..taken];
    head.seq_last = seq_first + (taken as u64).saturating_sub(1);
    if readings.iter().any(|r| (r.ts().as_micros() - head.t_min) % 1000 != 0) {
        head.t_unit = 1;
    }
    let body = text(readings.iter().map(Some), head.t_min, head.t_unit, bytes);
    head.crc = crc32c::crc32c(body.as_bytes());
    (Row { head, body }, taken)
}

/// Packs a row again after some of its readings were removed: those are none.
pub(super) fn again(head: &Head, entries: &[Option<Entry>], room: usize) -> Row {
    let body = text(entries.iter().map(Option::as_ref), head.t_min, head.t_unit, room);
    Row { head: Head { crc: crc32c::crc32c(body.as_bytes()), ..*head }, body }
}

/// About how many bytes a reading takes.
fn estimate<W: Written>(reading: &W) -> usize {
    let value = match reading.value() {
        Some(Value::Text(text)) => text.len() + 2,
        _ => 10,
    };
    let extra = match (reading.quality().reason(), reading.time()) {
        (None, TimeQuality::Synced) => 0,
        (reason, _) => 64 + reason.map_or(0, str::len),
    };
    14 + value + extra
}

fn text<'w, W: Written + 'w>(
    entries: impl Iterator<Item = Option<&'w W>>,
    t_min: i64,
    t_unit: i64,
    room: usize,
) -> String {
    let mut out = Vec::with_capacity(room + room / 4 + 16);
    out.push(b'[');
    for entry in entries {
        if out.len() > 1 {
            out.push(b',');
        }
        let Some(entry) = entry else {
            out.extend_from_slice(b"null");
            continue;
        };
        out.push(b'[');
        json(&mut out, &entry.sensor().0);
        out.push(b',');
        json(&mut out, &((entry.ts().as_micros() - t_min) / t_unit));
        out.push(b',');
        match entry.value() {
            // serde_json writes the shortest text that reads back as the same number.
            Some(Value::Number(number)) => json(&mut out, number),
            Some(Value::Bool(true)) => out.extend_from_slice(b"true"),
            Some(Value::Bool(false)) => out.extend_from_slice(b"false"),
            Some(Value::Text(text)) => json(&mut out, &**text),
            None => out.extend_from_slice(b"null"),
        }
        extra(&mut out, entry.quality(), entry.time());
        out.push(b']');
    }
    out.push(b']');
    match String::from_utf8(out) {
        Ok(text) => text,
        // Cannot be: all parts are ASCII or were a str.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn extra(out: &mut Vec<u8>, quality: &Quality, time: TimeQuality) {
    if quality.is_good() && time == TimeQuality::Synced {
        return;
    }
    out.extend_from_slice(b",{");
    let start = out.len();
    if let Some(reason) = quality.reason() {
        out.extend_from_slice(b"\"q\":\"");
        out.extend_from_slice(quality.word().as_bytes());
        out.extend_from_slice(b"\",\"r\":");
        json(out, reason);
    }
    if let Some(word) = time.word() {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(b"\"c\":\"");
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
        if let TimeQuality::Unsynced { boot, monotonic_us } = time {
            out.extend_from_slice(b",\"m\":[");
            json(out, &boot.0);
            out.push(b',');
            json(out, &monotonic_us);
            out.push(b']');
        }
    }
    out.push(b'}');
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Numbers and texts cannot fail to be written to memory; a number that is not finite is null.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok());
}
