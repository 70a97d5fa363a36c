//! The text of a log row back to readings, straight from the parser without a tree between.

use std::fmt;
use std::sync::Arc;

use iot_core::domain::{BootId, Point, Quality, SensorNo, TimeQuality, Timestamp, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::row::{Entry, Head, Row};

/// A row cannot be read: it costs itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log row {seq_first}..={seq_last} is damaged: {why}")]
pub(super) struct Damaged {
    pub(super) seq_first: u64,
    pub(super) seq_last: u64,
    pub(super) why: String,
}

/// Hands out the readings of a row in order, each with its `seq`; removed ones are left out, and so
/// are other sensors' where one is wanted. Times are as they were taken, not corrected.
pub(super) fn decode(
    row: &Row,
    wanted: Option<SensorNo>,
    mut each: impl FnMut(u64, Entry),
) -> Result<(), Damaged> {
    let head = &row.head;
    let damaged = |why: String| Damaged { seq_first: head.seq_first, seq_last: head.seq_last, why };
    if crc32c::crc32c(row.body.as_bytes()) != head.crc {
        return Err(damaged("its checksum does not fit".to_owned()));
    }
    let mut text = serde_json::Deserializer::from_str(&row.body);
    let mut place = head.seq_first;
    let all = All {
        one: One { t_min: head.t_min, t_unit: head.t_unit, wanted },
        each: &mut |entry| {
            if let Some(entry) = entry {
                each(place, entry);
            }
            place += 1;
        },
    };
    all.deserialize(&mut text).map_err(|error| damaged(error.to_string()))?;
    if place != head.seq_last + 1 {
        return Err(damaged(format!("it holds {} readings", place - head.seq_first)));
    }
    Ok(())
}

/// A row's readings with their places kept: removed ones are none.
pub(super) fn decode_all(row: &Row) -> Result<Vec<Option<Entry>>, Damaged> {
    let Head { seq_first, seq_last, .. } = row.head;
    let mut entries = vec![None; (seq_last - seq_first + 1) as usize];
    decode(row, None, |seq, entry| {
        if let Some(place) = entries.get_mut((seq - seq_first) as usize) {
            *place = Some(entry);
        }
    })?;
    Ok(entries)
}

struct All<'e> {
    one: One,
    each: &'e mut dyn FnMut(Option<Entry>),
}

impl<'de> DeserializeSeed<'de> for All<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for All<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("readings")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element_seed(self.one)? {
            (self.each)(entry);
        }
        Ok(())
    }
}

/// One reading; none where it was removed or is not wanted.
#[derive(Clone, Copy)]
struct One {
    t_min: i64,
    t_unit: i64,
    wanted: Option<SensorNo>,
}

impl<'de> DeserializeSeed<'de> for One {
    type Value = Option<Entry>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Option<Entry>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading or null")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let short = || A::Error::custom("a reading is too short");
        let sensor = SensorNo(seq.next_element()?.ok_or_else(short)?);
        if self.wanted.is_some_and(|wanted| wanted != sensor) {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(None);
        }
        let offset: i64 = seq.next_element()?.ok_or_else(short)?;
        let value = seq.next_element_seed(ValueSeed)?.ok_or_else(short)?;
        let (quality, time) = seq.next_element_seed(ExtraSeed)?.unwrap_or_default();
        let ts = offset
            .checked_mul(self.t_unit)
            .and_then(|us| us.checked_add(self.t_min))
            .ok_or_else(|| A::Error::custom("a time is out of range"))?;
        let point = Point { ts: Timestamp::from_micros(ts), value, quality, time };
        Ok(Some(Entry { sensor, point }))
    }
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Option<Value>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueSeed {
    type Value = Option<Value>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, a text or null")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(value)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Value::Number(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Number(value as f64)))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::Number(value as f64)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(value.into())))
    }
}

/// The fourth member.
struct ExtraSeed;

impl<'de> DeserializeSeed<'de> for ExtraSeed {
    type Value = (Quality, TimeQuality);
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ExtraSeed {
    type Value = (Quality, TimeQuality);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading's quality")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut quality, mut reason) = (String::new(), Arc::<str>::from(""));
        let (mut time, mut mark) = (String::new(), (0, 0));
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "q" => quality = map.next_value()?,
                "r" => reason = map.next_value::<String>()?.into(),
                "c" => time = map.next_value()?,
                "m" => mark = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let quality = match quality.as_str() {
            "" | "good" => Quality::Good,
            "suspect" => Quality::Suspect(reason),
            "bad" => Quality::Bad(reason),
            other => return Err(A::Error::custom(format!("the quality {other} is not known"))),
        };
        let time = match time.as_str() {
            "" => TimeQuality::Synced,
            "unsynced" => TimeQuality::Unsynced { boot: BootId(mark.0), monotonic_us: mark.1 },
            "device" => TimeQuality::Device,
            "suspect" => TimeQuality::Suspect,
            other => return Err(A::Error::custom(format!("the time's {other} is not known"))),
        };
        Ok((quality, time))
    }
}
