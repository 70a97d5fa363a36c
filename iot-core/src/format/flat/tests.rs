use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{Sample, SensorKey, Timestamp, Value};
use crate::format::fuzz_flat;

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

fn device() -> DeviceId {
    DeviceId::parse("attic").unwrap()
}

fn key(text: &str) -> SensorKey {
    SensorKey::parse(text).unwrap()
}

fn taken(payload: impl AsRef<[u8]>) -> (Read, Vec<Sample>) {
    let mut out = Batch::new();
    let payload = payload.as_ref();
    let read = read(payload, &device(), &mut out)
        .unwrap_or_else(|error| panic!("{}: {error}", payload.escape_ascii()));
    assert_eq!(read.samples, out.len());
    (read, out.into_samples())
}

/// What the payload gives, as one line a sample.
fn lines(payload: &str) -> Vec<String> {
    let line = |s: &Sample| {
        let value = serde_json::to_string(&s.value).unwrap();
        let ts = s.ts.map_or("now".to_owned(), |ts| ts.as_micros().to_string());
        format!("{}={value}@{ts}", s.key)
    };
    taken(payload).1.iter().map(line).collect()
}

fn refused(payload: impl AsRef<[u8]>) -> String {
    let mut out = Batch::new();
    out.push(&device(), &key("earlier"), 1.0);
    let before = out.clone();
    let payload = payload.as_ref();
    match read(payload, &device(), &mut out) {
        Ok(read) => panic!("{}: {read:?}", payload.escape_ascii()),
        Err(error) => {
            assert_eq!(out, before, "{error}");
            error.to_string()
        }
    }
}

#[test]
fn every_form_of_the_interfaces_is_read() {
    for (payload, expected) in [
        (
            r#"{"ts":1700000000123,"temperature":21.5,"door":true}"#,
            &["temperature=21.5@1700000000123000", "door=true@1700000000123000"][..],
        ),
        (r#" { "t" : -3 , "name" : "caf\u00e9" } "#, &["t=-3.0@now", "name=\"café\"@now"]),
        (r#"{"t":1,"ts":5}"#, &["t=1.0@5000"]),
        (r#"{"ts":1,"values":{"t":2,"u":"x"}}"#, &["t=2.0@1000", "u=\"x\"@1000"]),
        (r#"{"values":{"t":2},"u":3,"ts":1}"#, &["t=2.0@1000", "u=3.0@1000"]),
        (
            r#"[{"ts":1,"t":1},{"ts":2,"values":{"t":2}},{"t":3}]"#,
            &["t=1.0@1000", "t=2.0@2000", "t=3.0@now"],
        ),
        (r#"{"a":{"b":{"c":1},"d":2},"e":3}"#, &["a_b_c=1.0@now", "a_d=2.0@now", "e=3.0@now"]),
        (r#"{"values":{"a":{"b":1}}}"#, &["a_b=1.0@now"]),
        (
            r#"{"a":{"ts":1,"time":2,"values":3}}"#,
            &["a_ts=1.0@now", "a_time=2.0@now", "a_values=3.0@now"],
        ),
        (r#"{"a":{"b":1},"b":2,"a_c":3}"#, &["a_b=1.0@now", "b=2.0@now", "a_c=3.0@now"]),
        (r#"{"t":null,"u":1,"v":{"w":null},"9":null}"#, &["u=1.0@now"]),
        (
            r#"{"n":18446744073709551615,"m":-9223372036854775808}"#,
            &["n=1.8446744073709552e+19@now", "m=-9.223372036854776e+18@now"],
        ),
        (r#"{"n":-0.0,"m":4.9e-324,"k":1e-999}"#, &["n=-0.0@now", "m=5e-324@now", "k=0.0@now"]),
        (r#"{"\u0074":1}"#, &["t=1.0@now"]),
        (r#"{"n":"NaN"}"#, &["n=\"NaN\"@now"]),
        ("{}", &[]),
        ("[]", &[]),
        (r#"{"ts":1}"#, &[]),
        (r#"{"values":null}"#, &[]),
    ] {
        let expected = expected.to_vec();
        let lines = lines(payload);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(lines, expected, "{payload}");
        assert_eq!(taken(payload).0.refused_names + taken(payload).0.refused_values, 0);
    }
}

#[test]
fn a_time_is_read_in_each_form_and_what_is_none_is_left_to_intake_as_suspect() {
    let year_2000 = Timestamp::from_millis(946_684_800_000);
    for (ts, expected) in [
        ("1700000000123", Some(AT)),
        ("1700000000123.0", Some(AT)),
        ("1.700000000123e12", Some(AT)),
        ("1700000000123.456", Some(Timestamp::from_micros(1_700_000_000_123_456))),
        (r#""2023-11-14T22:13:20.123Z""#, Some(AT)),
        (r#""2023-11-15T01:13:20.123+03:00""#, Some(AT)),
        (r#""1700000000123""#, Some(AT)),
        ("null", None),
    ] {
        let (_, samples) = taken(format!(r#"{{"ts":{ts},"t":1}}"#));
        assert_eq!(samples[0].ts, expected, "{ts}");
    }
    for no_time in [
        "true",
        r#""yesterday""#,
        r#""""#,
        "-1",
        "-1.5",
        "0",
        "1700000000",
        "1e300",
        "-1e300",
        "9223372036854775807",
        "18446744073709551615",
        "99999999999999999999",
        "253402300800000",
        "[1]",
        r#"{"seconds":1}"#,
        r#""-005000-01-01T00:00:00Z""#,
    ] {
        let (read, samples) = taken(format!(r#"{{"ts":{no_time},"t":1}}"#));
        let ts = samples[0].ts.unwrap();
        assert!(Timestamp::MIN <= ts && ts < year_2000, "{no_time}: {ts}");
        assert_eq!((read.refused_names, read.refused_values), (0, 0), "{no_time}");
    }
}

#[test]
fn a_bad_key_or_value_is_refused_alone() {
    for (payload, names, values) in [
        (r#"{"9":1,"t":1}"#, 1, 0),
        (r#"{"":1,"_a":1,"a-b":1,"a b":true,"ä":"x","t":1}"#, 5, 0),
        (r#"{"9":[1],"t":1}"#, 1, 0),
        (r#"{"9":{"a":1,"b":2},"t":1}"#, 2, 0),
        (r#"{"values":{"ts":1,"time":1,"values":1,"t":1}}"#, 3, 0),
        (r#"{"values":{"values":{"x":1}},"t":1}"#, 0, 0),
        (r#"{"a":[],"b":[[1,{"x":["y"]}]],"t":1}"#, 0, 2),
        (r#"{"a":{"b":[1],"c":[2]},"t":1}"#, 0, 2),
        (r#"{"values":[1,2],"t":1}"#, 0, 1),
        (r#"{"values":5,"t":1}"#, 0, 1),
        (r#"{"values":"x","t":1}"#, 0, 1),
        (r#"[{"9":1,"t":1},{"9":1,"a":[]}]"#, 2, 1),
        (r#"{"a\u0000":1,"t":1}"#, 1, 0),
    ] {
        let (read, samples) = taken(payload);
        assert_eq!((read.refused_names, read.refused_values), (names, values), "{payload}");
        assert!(samples.iter().any(|sample| sample.key == key("t")), "{payload}");
    }
    let long = "k".repeat(64);
    assert_eq!(taken(format!(r#"{{"{long}":1}}"#)).0.samples, 1);
    assert_eq!(taken(format!(r#"{{"{long}k":1,"k":{{"{long}":1}}}}"#)).0.refused_names, 2);
}

#[test]
fn what_is_malformed_is_refused_whole_and_says_where() {
    for payload in [
        &b""[..],
        b" ",
        b"\xff",
        b"21.5",
        b"true",
        b"null",
        b"\"text\"",
        b"nan",
        b"NaN",
        b"{\"t\":NaN}",
        b"{\"t\":Infinity}",
        b"{\"t\":-inf}",
        b"{\"t\":1e999}",
        b"{\"t\":-1e999}",
        b"{\"a\":[1e999]}",
        b"{\"ts\":1e999}",
        b"{\"t\":01}",
        b"{\"t\":+1}",
        b"{\"t\":.5}",
        b"{\"t\":0x10}",
        b"{\"t\":1",
        b"{\"t\":",
        b"{\"t",
        b"{",
        b"[{\"t\":1}",
        b"[{\"t\":1},]",
        b"{\"t\":1,}",
        b"{t:1}",
        b"{'t':1}",
        b"{\"t\":1}x",
        b"{\"t\":1}{\"t\":1}",
        b"{\"t\":1}\0",
        b"\xef\xbb\xbf{\"t\":1}",
        b"{\"t\":\"\xff\"}",
        b"{\"\xff\":1}",
        b"{\"a\":[\"\xff\"]}",
        b"{\"a\":[{\"\xff\":1}]}",
        b"{\"ts\":\"\xc3\"}",
        b"{\"t\":\"\xed\xa0\x80\"}",
        br#"{"t":"\ud800"}"#,
        br#"{"t":"\udc00\ud800"}"#,
        b"{\"t\":\"\n\"}",
        b"[1]",
        b"[[{\"t\":1}]]",
        b"[{\"t\":1},null]",
        b"[{\"t\":1},{\"u\":}]",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*",
        b"{\"t\":1} // a comment",
    ] {
        let error = refused(payload);
        let place = error.rfind(" at line ").and_then(|at| error.get(at..));
        assert!(place.is_some_and(|place| place.contains("column")), "{error}");
        assert!(error.len() < 200, "{error}");
    }
    for long in [format!("\"{}\"", "x".repeat(5_000)), format!("[\"{}\"]", "x".repeat(5_000))] {
        assert!(refused(&long).len() < 200, "{}", refused(&long));
    }
    let error = refused("{\"t\":1,\n \"u\":nan}");
    assert!(error.contains("line 2 column"), "{error}");
}

#[test]
fn a_key_that_stands_twice_in_an_instant_is_malformed_and_named() {
    for (payload, name) in [
        (r#"{"t":1,"t":2}"#, "t"),
        (r#"{"t":1,"t":1}"#, "t"),
        (r#"{"t":1,"\u0074":1}"#, "t"),
        (r#"{"t":1,"t":null}"#, "t"),
        (r#"{"t":null,"t":null}"#, "t"),
        (r#"{"t":[1],"t":1}"#, "t"),
        (r#"{"a":{"b":1},"a_b":2}"#, "a_b"),
        (r#"{"a_b":2,"a":{"b":1}}"#, "a_b"),
        (r#"{"a":{"b":1},"a":{"c":2}}"#, "a"),
        (r#"{"a":{"b":1},"a":2}"#, "a"),
        (r#"{"a":2,"a":{"b":1}}"#, "a"),
        (r#"{"a":{},"a":{}}"#, "a"),
        (r#"{"x":{"a":{},"a":{}}}"#, "a"),
        (r#"{"values":{"t":1},"t":2}"#, "t"),
        (r#"{"values":{"t":1},"values":{"u":2}}"#, "values"),
        (r#"{"values":null,"values":{"u":2}}"#, "values"),
        (r#"{"ts":1,"ts":1}"#, "ts"),
        (r#"{"ts":null,"ts":1}"#, "ts"),
        (r#"{"time":1,"time":1}"#, "time"),
        (r#"{"9":1,"9":1}"#, "9"),
        (r#"{"t":1,"9":null,"9":[]}"#, "9"),
        (r#"[{"t":1},{"u":1,"u":1}]"#, "u"),
    ] {
        let error = refused(payload);
        assert!(error.contains(&format!("{name:?} stands twice")), "{payload}: {error}");
    }
    // The same key in two instants, or in two objects, is two keys.
    assert_eq!(taken(r#"[{"t":1},{"t":1}]"#).0.samples, 2);
    assert_eq!(taken(r#"{"a":{"x":1},"b":{"x":1},"x":1}"#).0.samples, 3);
    let many: Vec<String> = (0..500).map(|n| format!("\"k{n}\":{n}")).collect();
    assert_eq!(taken(format!("{{{}}}", many.join(","))).0.samples, 500);
    let error = refused(format!("{{{},\"k77\":1}}", many.join(",")));
    assert!(error.contains("\"k77\" stands twice"), "{error}");
    let error = refused(format!("{{\"{0}\":1,\"{0}\":1}}", "9".repeat(100_000)));
    assert!(error.len() < 300, "{error}");
}

#[test]
fn nesting_is_taken_to_16_levels_and_cannot_exhaust_the_stack() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    let (read, samples) = taken(nested("{\"a\":", "}", DEEPEST));
    assert_eq!((read.samples, samples[0].key.as_str().len()), (1, 2 * DEEPEST - 1));
    let inside = |levels| format!("{{\"t\":1,\"a\":{}}}", nested("[", "]", levels));
    assert_eq!(taken(inside(DEEPEST - 1)).0.refused_values, 1);
    for deep in [
        nested("{\"a\":", "}", DEEPEST + 1),
        inside(DEEPEST),
        nested("{\"a\":", "}", 10_000),
        nested("[", "]", 10_000),
        nested("[{\"a\":", "}]", 10_000),
        nested("{\"ts\":[", "]}", 10_000),
        nested("{\"values\":", "}", 10_000),
        "[".repeat(1_000_000),
        "{\"a\":".repeat(200_000),
    ] {
        refused(&deep);
    }
}

#[test]
fn a_sender_that_says_its_clock_is_not_set_is_counted() {
    let counted = |payload: &str| taken(payload).0.unsynced;
    assert_eq!(counted(r#"{"ts":1,"time":"unsynced","t":1}"#), 1);
    assert_eq!(counted(r#"[{"time":"unsynced","t":1},{"t":1},{"time":"unsynced"}]"#), 2);
    for other in ["\"device\"", "null", "5", "-5", "0.5", "true", "[1]", "{\"a\":1}"] {
        assert_eq!(counted(&format!(r#"{{"time":{other},"t":1}}"#)), 0);
    }
}

#[test]
fn a_backlog_shares_its_keys() {
    let (_, samples) = taken(r#"[{"t":1,"u":2},{"t":null,"u":2},{"t":1,"u":2,"v":3}]"#);
    let keys: Vec<&str> = samples.iter().map(|sample| sample.key.as_str()).collect();
    assert_eq!(keys, ["t", "u", "u", "t", "u", "v"]);
    assert!(std::ptr::eq(keys[1], keys[2]) && std::ptr::eq(keys[2], keys[4]));
}

#[test]
fn the_gateway_writes_what_the_interfaces_show() {
    let (t, door, name) = (key("temperature"), key("door"), key("name"));
    let written = |ts, unsynced, values: &[(&SensorKey, Option<Value>)]| {
        let mut out = b"kept".to_vec();
        write(&mut out, ts, unsynced, values.iter().map(|(key, value)| (*key, value.as_ref())));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written(AT, false, &[(&t, Some(21.5.into())), (&door, Some(true.into()))]),
        r#"kept{"ts":1700000000123,"temperature":21.5,"door":true}"#
    );
    assert_eq!(
        written(AT, true, &[(&t, None), (&door, Some(f64::NAN.into()))]),
        r#"kept{"ts":1700000000123,"time":"unsynced","temperature":null,"door":null}"#
    );
    assert_eq!(
        written(AT, false, &[(&name, Some("\"\n\u{0}é".into()))]),
        r#"kept{"ts":1700000000123,"name":"\"\n\u0000é"}"#
    );
    for (us, text) in [
        (1_700_000_000_123_456, "1700000000123.456"),
        (1_700_000_000_123_050, "1700000000123.05"),
        (1_700_000_000_123_700, "1700000000123.7"),
        (0, "0"),
        (-1, "-0.001"),
        (-2_500, "-2.5"),
        (-1_000, "-1"),
    ] {
        let ts = Timestamp::from_micros(us);
        assert_eq!(written(ts, false, &[]), format!("kept{{\"ts\":{text}}}"));
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Number),
        2 => (-1_000_000_i32..1_000_000).prop_map(|n| Value::Number(f64::from(n) / 100.0)),
        1 => any::<i64>().prop_map(|n| Value::Number(n as f64)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<String>().prop_map(|text| Value::Text(text.into())),
    ]
}

fn keys() -> impl Strategy<Value = SensorKey> {
    "[A-Za-z][A-Za-z0-9_]{0,63}".prop_filter_map("no sensor key", |k| SensorKey::parse(&k).ok())
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0..4_398_000_000_000_000_i64).prop_map(Timestamp::from_micros),
        (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis),
    ]
}

/// JSON with few keys, so that they meet.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| json!(n)),
        any::<String>().prop_map(|t| json!(t)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            3 => prop::collection::btree_map(
                prop_oneof!["[a-c]", "[a-c]_[a-c]", "[0-9]", "ts|time|values"], inner.clone(), 0..6)
                .prop_map(|map| json!(map)),
            1 => prop::collection::vec(inner, 0..3).prop_map(|list| json!(list)),
        ]
    })
}

/// What is taken, by key; refused names; refused values.
type Simple = (Vec<(String, Value)>, usize, usize);

/// The rules once more, over a tree of values. None where the whole is malformed.
fn simply(document: &serde_json::Value) -> Option<Simple> {
    use serde_json::Value as Json;
    fn walk(
        path: &str,
        value: &Json,
        taken: &mut Vec<(String, Option<Value>)>,
        refused: &mut (usize, usize),
    ) {
        let fits = SensorKey::parse(path).is_ok();
        let value = match value {
            Json::Object(map) => {
                for (name, value) in map {
                    walk(&format!("{path}_{name}"), value, taken, refused);
                }
                return;
            }
            Json::Null if fits => None,
            Json::Null => return,
            _ if !fits => return refused.0 += 1,
            Json::Array(_) => {
                refused.1 += 1;
                None
            }
            Json::Bool(b) => Some(Value::Bool(*b)),
            Json::Number(n) => Some(Value::Number(n.as_f64().unwrap())),
            Json::String(text) => Some(Value::Text(text.as_str().into())),
        };
        taken.push((path.to_owned(), value));
    }
    let map = document.as_object()?;
    let (mut all, mut refused) = (Vec::new(), (0, 0));
    for (name, value) in map {
        match name.as_str() {
            "ts" | "time" => {}
            "values" => match value {
                Json::Object(values) => {
                    if values.keys().any(|name| map.contains_key(name) && !is_own(name)) {
                        return None;
                    }
                    for (name, value) in values {
                        walk(name, value, &mut all, &mut refused);
                    }
                }
                Json::Null => {}
                _ => refused.1 += 1,
            },
            name => walk(name, value, &mut all, &mut refused),
        }
    }
    let mut keys: Vec<&String> = all.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    let mut taken: Vec<(String, Value)> =
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    taken.sort_by(|a, b| a.0.cmp(&b.0));
    Some((taken, refused.0, refused.1))
}

fn is_own(name: &str) -> bool {
    matches!(name, "ts" | "time" | "values")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(
        ts in time(),
        unsynced in any::<bool>(),
        values in prop::collection::btree_map(keys(), prop::option::weighted(0.9, value()), 0..30),
    ) {
        let mut written = Vec::new();
        write(&mut written, ts, unsynced, values.iter().map(|(key, value)| (key, value.as_ref())));
        let (read, samples) = taken(&written);
        prop_assert_eq!(read.unsynced, usize::from(unsynced));
        prop_assert_eq!(read.refused_names + read.refused_values, 0);
        let mut samples = samples.into_iter();
        for (key, value) in values.into_iter().filter(|(_, value)| value.is_some()) {
            let sample = samples.next().unwrap();
            prop_assert_eq!(sample.ts, Some(ts));
            prop_assert_eq!(sample.key, key);
            if let (Some(Value::Number(a)), Some(Value::Number(b))) = (&sample.value, &value) {
                prop_assert_eq!(a.to_bits(), b.to_bits());
            }
            prop_assert_eq!(sample.value, value);
        }
        prop_assert!(samples.next().is_none());
    }

    #[test]
    fn a_document_gives_what_its_tree_of_values_says(document in document()) {
        let text = document.to_string();
        let mut out = Batch::new();
        let read = read(text.as_bytes(), &device(), &mut out);
        match simply(&document) {
            _ if document.is_array() => {}
            None => prop_assert!(read.is_err() && out.is_empty(), "{}", text),
            Some((taken, names, values)) => {
                let read = read.unwrap();
                let mut samples: Vec<(String, Value)> = out
                    .into_samples()
                    .into_iter()
                    .map(|sample| (sample.key.to_string(), sample.value.unwrap()))
                    .collect();
                samples.sort_by(|a, b| a.0.cmp(&b.0));
                prop_assert_eq!(samples, taken, "{}", text);
                prop_assert_eq!((read.refused_names, read.refused_values), (names, values));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        text in r#"[\[{]["a-c:,0-9.eE\[\]{}\\ tsu-]{0,60}"#,
    ) {
        fuzz_flat(&bytes);
        fuzz_flat(text.as_bytes());
    }

    #[test]
    fn a_payload_cut_anywhere_is_refused_whole(document in document()) {
        let text = document.to_string();
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let mut out = Batch::new();
            prop_assert!(read(&text.as_bytes()[..end], &device(), &mut out).is_err());
            prop_assert!(out.is_empty());
        }
    }
}
