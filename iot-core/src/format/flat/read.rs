//! Reading: one pass from bytes to samples, without a tree of values between.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::{Batch, DeviceId, Quality, Sample, SensorKey, Timestamp, Value};

/// Objects in objects, at most.
const DEPTH: usize = 16;
/// Up to so many names of one instant, a walk over them finds a repeated one soonest.
const WALK: usize = 24;
/// A device's time that intake holds for no time: the reading is stored at its arrival, suspect.
const NO_TIME: Timestamp = Timestamp::MIN;

/// What a payload held beside the readings that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Read {
    /// Readings that were added to the batch.
    pub readings: usize,
    /// Names that are no sensor keys; what stood there was left out.
    pub refused_names: usize,
    /// Values that are none: arrays, and a `values` that is no object.
    pub refused_values: usize,
}

/// A payload is malformed as a whole.
#[derive(Debug, thiserror::Error)]
#[error("not JSON of readings: {0}")]
pub struct FlatError(#[from] serde_json::Error);

/// Reads a payload of one device into a batch.
///
/// # Errors
/// What is malformed and where; the batch is then as it was. Malformed are: what is not JSON (a
/// bare `NaN`, a number beyond a double's range, text that is not UTF-8), what is neither an object
/// nor an array of objects, objects nested more than 16 deep, and a name that comes twice in one
/// instant, be it after flattening.
pub fn read(payload: &[u8], device: &DeviceId, out: &mut Batch) -> Result<Read, FlatError> {
    let before = out.len();
    let samples = out.samples_mut();
    let mut reader =
        Reader { device, samples, first: before, previous: before, nulls: Vec::new(), many: None, read: Read::default() };
    let mut json = serde_json::Deserializer::from_slice(payload);
    let done = Payload(&mut reader).deserialize(&mut json).and_then(|()| json.end());
    let mut read = reader.read;
    if let Err(error) = done {
        samples.truncate(before);
        return Err(error.into());
    }
    read.readings = samples.len() - before;
    Ok(read)
}

/// Where samples go, and what was seen of the instant at hand.
struct Reader<'a> {
    device: &'a DeviceId,
    samples: &'a mut Vec<Sample>,
    /// The first sample of this instant, and of the one before it.
    first: usize,
    previous: usize,
    /// Names without a value.
    nulls: Vec<SensorKey>,
    /// All names, where there are many.
    many: Option<HashSet<SensorKey>>,
    read: Read,
}

impl Reader<'_> {
    fn begin(&mut self) {
        (self.previous, self.first) = (self.first, self.samples.len());
        self.nulls.clear();
        self.many = None;
    }

    fn end(&mut self, ts: Option<Timestamp>) {
        if ts.is_some() {
            for sample in self.samples.iter_mut().skip(self.first) {
                sample.ts = ts;
            }
        }
    }

    /// The key of a name; a backlog's instants mostly have the same, in the same order.
    fn key(&self, name: &str) -> Option<SensorKey> {
        let same = self.samples.get(self.previous + self.samples.len() - self.first);
        match same {
            Some(sample) if sample.key.as_str() == name => Some(sample.key.clone()),
            _ => SensorKey::parse(name).ok(),
        }
    }

    /// Whether a name came before in this instant; from now on it did.
    fn repeats(&mut self, key: &SensorKey) -> bool {
        let here = self.samples.get(self.first..).unwrap_or_default();
        if let Some(many) = &mut self.many {
            return !many.insert(key.clone());
        }
        if here.len() + self.nulls.len() < WALK {
            return here.iter().any(|sample| sample.key == *key) || self.nulls.contains(key);
        }
        let names = here.iter().map(|sample| &sample.key).chain(&self.nulls).cloned();
        let many = names.collect();
        !self.many.insert(many).insert(key.clone())
    }

    fn put<E: Error>(&mut self, name: &str, value: Option<Value>) -> Result<(), E> {
        let Some(key) = self.key(name) else {
            self.read.refused_names += 1;
            return Ok(());
        };
        if self.repeats(&key) {
            return Err(E::custom(format_args!("{key} comes twice in one instant")));
        }
        let Some(value) = value else {
            self.nulls.push(key);
            return Ok(());
        };
        self.samples.push(Sample {
            device: self.device.clone(),
            key,
            ts: None,
            value: Some(value),
            quality: Quality::Good,
        });
        Ok(())
    }
}

/// The whole payload.
struct Payload<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Payload<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Payload<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of readings, or an array of such objects")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        instant(self.0, map)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut all: S) -> Result<(), S::Error> {
        while all.next_element_seed(Instant(self.0))?.is_some() {}
        Ok(())
    }
}

/// One of an array.
struct Instant<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Instant<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Instant<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of readings")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        instant(self.0, map)
    }
}

/// The object of one instant.
fn instant<'de, M: MapAccess<'de>>(reader: &mut Reader<'_>, mut map: M) -> Result<(), M::Error> {
    reader.begin();
    let (mut ts, mut has_ts, mut has_values, mut has_time) = (None, false, false, false);
    while let Some(name) = map.next_key_seed(Name)? {
        let seen = match &*name {
            "ts" => {
                ts = map.next_value_seed(Ts)?;
                &mut has_ts
            }
            "values" => {
                map.next_value_seed(Values(reader))?;
                &mut has_values
            }
            // How far the sender's clock could be trusted; intake judges that by itself.
            "time" => {
                map.next_value::<IgnoredAny>()?;
                &mut has_time
            }
            name => {
                map.next_value_seed(Item { reader, name, depth: 0 })?;
                continue;
            }
        };
        if std::mem::replace(seen, true) {
            return Err(M::Error::custom(format_args!("{name} comes twice in one instant")));
        }
    }
    reader.end(ts);
    Ok(())
}

/// A name, borrowed where the payload has it without escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A device's time: epoch milliseconds, with a fraction or without, or RFC 3339.
struct Ts;

impl<'de> DeserializeSeed<'de> for Ts {
    type Value = Option<Timestamp>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Ts {
    type Value = Option<Timestamp>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_i64<E>(self, ms: i64) -> Result<Self::Value, E> {
        Ok(Some(Timestamp::from_millis(ms)))
    }

    fn visit_u64<E>(self, ms: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(ms).map_or(NO_TIME, Timestamp::from_millis)))
    }

    fn visit_f64<E>(self, ms: f64) -> Result<Self::Value, E> {
        let us = (ms * 1_000.0).round();
        let range = Timestamp::MIN.as_micros() as f64..Timestamp::MAX.as_micros() as f64;
        // The cast is exact: whole, and within the range of an i64.
        Ok(Some(if range.contains(&us) { Timestamp::from_micros(us as i64) } else { NO_TIME }))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Timestamp::parse(text).unwrap_or(NO_TIME)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(NO_TIME))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut all: S) -> Result<Self::Value, S::Error> {
        while all.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(NO_TIME))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Some(NO_TIME))
    }
}

/// What stands under `values`.
struct Values<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Values<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Values<'_, '_> {
    fn none<E>(self) -> Result<(), E> {
        self.0.read.refused_values += 1;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Values<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            if matches!(&*name, "ts" | "time" | "values") {
                map.next_value::<IgnoredAny>()?;
                self.0.read.refused_names += 1;
            } else {
                map.next_value_seed(Item { reader: self.0, name: &name, depth: 1 })?;
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.none()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.none()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.none()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.none()
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.none()
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut all: S) -> Result<(), S::Error> {
        while all.next_element::<IgnoredAny>()?.is_some() {}
        self.none()
    }
}

/// A value, or an object to flatten.
struct Item<'r, 'a, 'n> {
    reader: &'r mut Reader<'a>,
    name: &'n str,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, a text, null or an object of these")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.reader.put(self.name, None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reader.put(self.name, Some(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.reader.put(self.name, Some(Value::Number(value as f64)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.reader.put(self.name, Some(Value::Number(value as f64)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.reader.put(self.name, Some(Value::Number(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.reader.put(self.name, Some(Value::Text(value.into())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut all: S) -> Result<(), S::Error> {
        while all.next_element::<IgnoredAny>()?.is_some() {}
        self.reader.read.refused_values += 1;
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        if self.depth >= DEPTH {
            return Err(M::Error::custom(format_args!("objects lie more than {DEPTH} deep")));
        }
        while let Some(inner) = map.next_key_seed(Name)? {
            let name = format!("{}_{inner}", self.name);
            map.next_value_seed(Item {
                reader: self.reader,
                name: &name,
                depth: self.depth + 1,
            })?;
        }
        Ok(())
    }
}
