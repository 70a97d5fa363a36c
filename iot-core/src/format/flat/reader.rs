//! The walk over the bytes: serde's visitors, which push into the batch as they go.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::{DEEPEST, Read};
use crate::domain::{Batch, DeviceId, Quality, Sample, SensorKey, Timestamp, Value};

/// Up to so many keys are compared each with each; more are sorted.
const FEW: usize = 16;
/// How far to either side the search for a known key goes; see [`Reader::key`].
const NEAR: usize = 2;

pub(super) fn read(
    payload: &[u8],
    device: &DeviceId,
    out: &mut Batch,
) -> Result<Read, serde_json::Error> {
    let start = out.len();
    let mut reader = Reader {
        device,
        out,
        read: Read::default(),
        before: start,
        start,
        path: String::new(),
        silent: Vec::new(),
        names: None,
        objects: 0,
    };
    let mut json = serde_json::Deserializer::from_slice(payload);
    Message(&mut reader).deserialize(&mut json)?;
    json.end()?;
    let mut read = reader.read;
    read.samples = out.len() - start;
    Ok(read)
}

/// What is known on the way.
struct Reader<'a> {
    device: &'a DeviceId,
    out: &'a mut Batch,
    read: Read,
    /// Where the samples of the instant before begin.
    before: usize,
    /// Where the samples of this instant begin.
    start: usize,
    /// The keys down to the object at hand, each with its `_`; empty at the top.
    path: String,
    /// Keys of this instant that gave no sample.
    silent: Vec<SensorKey>,
    /// The keys of this instant as they stand in their objects, told apart by number: kept from
    /// the first nested object or refused name on, for before it `out` and `silent` have them all.
    names: Option<Vec<(usize, Box<str>)>>,
    /// How many objects of this instant have begun.
    objects: usize,
}

impl Reader<'_> {
    fn begin(&mut self) {
        self.before = self.start;
        self.start = self.out.len();
        self.silent.clear();
        self.names = None;
        self.objects = 1;
    }

    fn end<E: Error>(&mut self, ts: Option<Timestamp>) -> Result<(), E> {
        self.read.instants += 1;
        let samples = self.out.samples_mut().get_mut(self.start..).unwrap_or_default();
        if ts.is_some() {
            for sample in &mut *samples {
                sample.ts = ts;
            }
        }
        let keys = samples.iter().map(|sample| &sample.key).chain(&self.silent);
        if let Some(key) = repeated(keys) {
            return Err(twice(key.as_str()));
        }
        let names = self.names.iter().flatten();
        repeated(names).map_or(Ok(()), |(_, name)| Err(twice(name)))
    }

    /// The sensor key of `name` in the object at hand. Backlogs repeat their keys in order: one
    /// that stands about here in the instant before is shared, not made again.
    fn key(&mut self, name: &str) -> Option<SensorKey> {
        let parent = self.path.len();
        let whole = if parent == 0 {
            name
        } else {
            self.path.push_str(name);
            &self.path
        };
        let samples = self.out.samples();
        let here = self.before + samples.len() - self.start;
        let from = here.saturating_sub(NEAR).clamp(self.before, self.start);
        let near = samples.get(from..self.start.min(here + NEAR)).unwrap_or_default();
        let key = match near.iter().find(|sample| sample.key.as_str() == whole) {
            Some(sample) => Some(sample.key.clone()),
            None => SensorKey::parse(whole).ok(),
        };
        self.path.truncate(parent);
        key
    }

    fn take(&mut self, name: &str, value: Value) {
        let Some(key) = self.key(name) else {
            self.read.refused_names += 1;
            return self.note_first(name);
        };
        self.out.push_sample(Sample {
            device: self.device.clone(),
            key,
            ts: None,
            value: Some(value),
            quality: Quality::Good,
        });
    }

    /// `null` is no value, and what is not there has no name to be refused.
    fn skip(&mut self, name: &str) {
        match self.key(name) {
            Some(key) => self.silent.push(key),
            None => self.note_first(name),
        }
    }

    fn refuse(&mut self, name: &str) {
        match self.key(name) {
            Some(key) => {
                self.silent.push(key);
                self.read.refused_values += 1;
            }
            None => {
                self.read.refused_names += 1;
                self.note_first(name);
            }
        }
    }

    /// Begins a nested object under `name` and gives its number.
    fn begin_object(&mut self, name: &str) -> usize {
        self.note_first(name);
        self.objects += 1;
        self.objects
    }

    /// Notes the first name that neither a sample nor `silent` will have. Until then every key
    /// stood in object 1, or in `values`, whose keys count as those of object 1.
    fn note_first(&mut self, name: &str) {
        if self.names.is_none() {
            let samples = self.out.samples().get(self.start..).unwrap_or_default();
            let keys = samples.iter().map(|sample| sample.key.as_str());
            let silent = self.silent.iter().map(SensorKey::as_str);
            let all = keys.chain(silent).chain([name]);
            self.names = Some(all.map(|key| (1, key.into())).collect());
        }
    }

    fn note(&mut self, object: usize, name: &str) {
        if let Some(names) = &mut self.names {
            names.push((object, name.into()));
        }
    }
}

fn twice<E: Error>(name: &str) -> E {
    let shown: String = name.chars().take(80).collect();
    E::custom(format_args!("the key {shown:?} stands twice in one instant"))
}

fn too_deep<E: Error>() -> E {
    E::custom(format_args!("it is nested deeper than {DEEPEST} levels"))
}

/// A text in the wrong place, which serde's own message would repeat at any length.
fn text<E: Error>(expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Other("text"), expected)
}

/// The first that stands twice, if any.
fn repeated<'k, T: Ord + 'k>(all: impl Iterator<Item = &'k T> + Clone) -> Option<&'k T> {
    if all.clone().nth(FEW).is_none() {
        return all
            .clone()
            .enumerate()
            .find_map(|(n, one)| all.clone().take(n).find(|o| *o == one));
    }
    let mut sorted: Vec<&T> = all.collect();
    sorted.sort_unstable();
    sorted.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0]))
}

/// The whole payload: an instant, or an array of them.
struct Message<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Message<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of readings or an array of such")
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(text(&self))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Instant(self.0).visit_map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Instant(self.0))?.is_some() {}
        Ok(())
    }
}

/// One instant.
struct Instant<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Instant<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Instant<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of readings")
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(text(&self))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        reader.begin();
        let (mut ts, mut time, mut values) = (None, None, None);
        while let Some(name) = map.next_key_seed(Name)? {
            let again = match &*name {
                "ts" => ts.replace(map.next_value_seed(Ts)?).is_some(),
                "time" => time.replace(map.next_value_seed(Time)?).is_some(),
                "values" => values.replace(map.next_value_seed(Values(reader))?).is_some(),
                name => {
                    reader.note(1, name);
                    map.next_value_seed(Field { reader, name, depth: 1 })?;
                    false
                }
            };
            if again {
                return Err(twice(&name));
            }
        }
        reader.read.unsynced += usize::from(time == Some(true));
        reader.end(ts.flatten())
    }
}

/// A key, borrowed from the payload unless it is written with escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// What stands under a key that may be a sensor's.
struct Field<'r, 'a, 'n> {
    reader: &'r mut Reader<'a>,
    name: &'n str,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_, '_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<(), E> {
        self.reader.take(self.name, Value::Bool(b));
        Ok(())
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.reader.take(self.name, Value::Number(n as f64));
        Ok(())
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.reader.take(self.name, Value::Number(n as f64));
        Ok(())
    }
    fn visit_f64<E: Error>(self, n: f64) -> Result<(), E> {
        self.reader.take(self.name, Value::Number(n));
        Ok(())
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.reader.take(self.name, Value::Text(text.into()));
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.reader.skip(self.name);
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.reader.refuse(self.name);
        Nothing { depth: self.depth }.visit_seq(seq)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, name, depth } = self;
        if depth == DEEPEST {
            return Err(too_deep());
        }
        let object = reader.begin_object(name);
        let parent = reader.path.len();
        reader.path.push_str(name);
        reader.path.push('_');
        while let Some(name) = map.next_key_seed(Name)? {
            let name = &*name;
            reader.note(object, name);
            map.next_value_seed(Field { reader, name, depth: depth + 1 })?;
        }
        reader.path.truncate(parent);
        Ok(())
    }
}

/// The object under `values`: its keys are as good as those beside it.
struct Values<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for Values<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of values")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        while let Some(name) = map.next_key_seed(Name)? {
            let name = &*name;
            reader.note(1, name);
            map.next_value_seed(Field { reader, name, depth: 2 })?;
        }
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.read.refused_values += 1;
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_bool(false)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_bool(false)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_bool(false)
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.visit_bool(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.read.refused_values += 1;
        Nothing { depth: 1 }.visit_seq(seq)
    }
}

/// Something that is passed over. serde's own way would let bytes that are not UTF-8 pass.
struct Nothing {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nothing {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nothing {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.depth == DEEPEST {
            return Err(too_deep());
        }
        while seq.next_element_seed(Nothing { depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.depth == DEEPEST {
            return Err(too_deep());
        }
        while map.next_key_seed(Name)?.is_some() {
            map.next_value_seed(Nothing { depth: self.depth + 1 })?;
        }
        Ok(())
    }
}

/// The time of an instant. What is no time becomes the first instant there is, long before any
/// that intake takes for a device's own, whether or not the gateway's clock is set.
struct Ts;

const NO_TIME: Timestamp = Timestamp::MIN;

impl<'de> DeserializeSeed<'de> for Ts {
    type Value = Option<Timestamp>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

fn within(ts: Timestamp) -> Timestamp {
    if (Timestamp::MIN..=Timestamp::MAX).contains(&ts) { ts } else { NO_TIME }
}

impl<'de> Visitor<'de> for Ts {
    type Value = Option<Timestamp>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("epoch milliseconds or an RFC 3339 time")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E: Error>(self, ms: i64) -> Result<Self::Value, E> {
        Ok(Some(within(Timestamp::from_micros(ms.saturating_mul(1_000)))))
    }
    fn visit_u64<E: Error>(self, ms: u64) -> Result<Self::Value, E> {
        self.visit_i64(i64::try_from(ms).unwrap_or(i64::MAX))
    }
    fn visit_f64<E: Error>(self, ms: f64) -> Result<Self::Value, E> {
        // `as` holds what is too large at the edge, and `within` sees it there.
        Ok(Some(within(Timestamp::from_micros((ms * 1_000.0).round() as i64))))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Timestamp::parse(text).map_or(NO_TIME, within)))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(NO_TIME))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Nothing { depth: 1 }.visit_seq(seq)?;
        Ok(Some(NO_TIME))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Nothing { depth: 1 }.visit_map(map)?;
        Ok(Some(NO_TIME))
    }
}

/// What the sender says of its clock: whether it calls it not set.
struct Time;

impl<'de> DeserializeSeed<'de> for Time {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<bool, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Time {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word on the time")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        Ok(text == "unsynced")
    }
    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        Nothing { depth: 1 }.visit_seq(seq).map(|()| false)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        Nothing { depth: 1 }.visit_map(map).map(|()| false)
    }
}
