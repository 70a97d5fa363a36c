//! Any readings, packed and read again: by our own parser, and by SQLite's.

use iot_core::domain::{BootId, Point, Quality, SensorNo, TimeQuality, Timestamp, Value};
use proptest::prelude::*;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::decode::{decode, decode_all};
use super::encode::{again, encode};
use super::row::{Entry, READINGS, Row};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Number),
        2 => (-1_000_000_i32..1_000_000).prop_map(|n| Value::Number(f64::from(n) / 100.0)),
        1 => any::<i64>().prop_map(|n| Value::Number(n as f64)),
        1 => (1e-9..1e9_f64).prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<String>().prop_map(|text| Value::Text(text.into())),
    ]
}

fn quality() -> impl Strategy<Value = Quality> {
    prop_oneof![
        4 => Just(Quality::Good),
        1 => any::<String>().prop_map(|reason| Quality::Suspect(reason.into())),
        1 => any::<String>().prop_map(|reason| Quality::Bad(reason.into())),
    ]
}

fn time() -> impl Strategy<Value = TimeQuality> {
    prop_oneof![
        4 => Just(TimeQuality::Synced),
        1 => Just(TimeQuality::Device),
        1 => Just(TimeQuality::Suspect),
        1 => (any::<u32>(), any::<i64>())
            .prop_map(|(boot, monotonic_us)| TimeQuality::Unsynced { boot: BootId(boot), monotonic_us }),
    ]
}

fn ts() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        3 => (0_i64..10_000).prop_map(|ms| Timestamp::from_millis(1_700_000_000_000 + ms)),
        1 => (0_i64..10_000).prop_map(|us| Timestamp::from_micros(1_700_000_000_000_000 + us)),
        1 => (Timestamp::MIN.as_micros()..Timestamp::MAX.as_micros())
            .prop_map(Timestamp::from_micros),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (any::<u32>(), ts(), proptest::option::weighted(0.9, value()), quality(), time()).prop_map(
        |(sensor, ts, value, quality, time)| Entry {
            sensor: SensorNo(sensor),
            point: Point { ts, value, quality, time },
        },
    )
}

/// `==` alone would take -0.0 for 0.0.
fn bits(value: Option<&Value>) -> Option<u64> {
    match value {
        Some(Value::Number(number)) => Some(number.to_bits()),
        _ => None,
    }
}

fn read(row: &Row, wanted: Option<SensorNo>) -> Vec<(u64, Entry)> {
    let mut all = Vec::new();
    decode(row, wanted, |seq, entry| all.push((seq, entry))).unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_readings_come_back_as_they_were(entries in prop::collection::vec(entry(), 1..40)) {
        let (row, taken) = encode(&entries, 100);
        prop_assert_eq!(taken, entries.len());
        let numbered: Vec<_> = (100..).zip(entries.iter().cloned()).collect();
        let seen = read(&row, None);
        prop_assert_eq!(&seen, &numbered);
        for ((_, seen), wanted) in seen.iter().zip(&entries) {
            prop_assert_eq!(bits(seen.point.value.as_ref()), bits(wanted.point.value.as_ref()));
        }
        let one = entries[0].sensor;
        let own: Vec<_> = numbered.into_iter().filter(|(_, e)| e.sensor == one).collect();
        prop_assert_eq!(read(&row, Some(one)), own);
        let begins = format!("[{},", one.0);
        prop_assert!(row.body.contains(&begins));
    }

    #[test]
    fn what_is_struck_out_leaves_the_others_where_they_were(
        entries in prop::collection::vec((entry(), any::<bool>()), 1..40)
    ) {
        let all: Vec<Entry> = entries.iter().map(|(entry, _)| entry.clone()).collect();
        let (row, _) = encode(&all, 7);
        let left: Vec<Option<Entry>> =
            entries.into_iter().map(|(entry, stays)| stays.then_some(entry)).collect();
        let row = again(&row.head, &left, row.body.len());
        prop_assert_eq!(decode_all(&row).unwrap(), left);
    }

    #[test]
    fn sqlite_reads_the_same(entries in prop::collection::vec(entry(), 1..40)) {
        let (row, _) = encode(&entries, 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rows = runtime.block_on(async {
            let mut memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
            sqlx::query(
                "SELECT key, value->>0, value->>1, value->>2, typeof(value->>2), \
                 value->>'$[3].q', value->>'$[3].r', value->>'$[3].c' FROM json_each(?)",
            )
            .bind(row.body.clone())
            .fetch_all(&mut memory)
            .await
            .unwrap()
        });
        prop_assert_eq!(rows.len(), entries.len());
        for (place, (seen, wanted)) in (0_i64..).zip(rows.iter().zip(&entries)) {
            let point = &wanted.point;
            prop_assert_eq!(seen.get::<i64, _>(0), place);
            prop_assert_eq!(seen.get::<i64, _>(1), i64::from(wanted.sensor.0));
            let ts = row.head.t_min + seen.get::<i64, _>(2) * row.head.t_unit;
            prop_assert_eq!(ts, point.ts.as_micros());
            match &point.value {
                None => prop_assert_eq!(seen.get::<&str, _>(4), "null"),
                Some(Value::Bool(b)) => prop_assert_eq!(seen.get::<i64, _>(3), i64::from(*b)),
                Some(Value::Number(n)) => {
                    prop_assert_eq!(seen.get::<&str, _>(4), "real");
                    let read = seen.get::<f64, _>(3);
                    // SQLite's own reading of a text is not exact at the ends of the scale.
                    if (1e-20..1e20).contains(&n.abs()) || *n == 0.0 {
                        prop_assert_eq!(read, *n);
                    } else {
                        prop_assert!((read - *n).abs() <= n.abs() * 1e-15 + 1e-300);
                    }
                }
                Some(Value::Text(t)) => prop_assert_eq!(seen.get::<&str, _>(3), &**t),
            }
            let quality = seen.get::<Option<&str>, _>(5).unwrap_or("good");
            prop_assert_eq!(quality, point.quality.word());
            prop_assert_eq!(seen.get::<Option<&str>, _>(6), point.quality.reason());
            prop_assert_eq!(seen.get::<Option<&str>, _>(7), point.time.word());
        }
    }
}

fn plain(sensor: u32, us: i64, value: Value) -> Entry {
    let ts = Timestamp::from_micros(us);
    let (quality, time) = (Quality::Good, TimeQuality::Synced);
    Entry { sensor: SensorNo(sensor), point: Point { ts, value: Some(value), quality, time } }
}

#[test]
fn a_row_is_as_short_as_the_page_on_its_form_says() {
    let entries = [plain(7, 1_000, 21.5.into()), plain(8, 3_000, true.into())];
    let (row, _) = encode(&entries, 1);
    assert_eq!(row.body, "[[7,0,21.5],[8,2,true]]");
    assert_eq!((row.head.t_min, row.head.t_max, row.head.t_unit), (1_000, 3_000, 1_000));
    let (row, _) = encode(&[plain(7, 1_000, "a".into()), plain(7, 1_001, 2.0.into())], 1);
    assert_eq!(row.body, "[[7,0,\"a\"],[7,1,2.0]]");
}

#[test]
fn a_row_holds_ten_thousand_readings_or_about_a_megabyte() {
    let many: Vec<Entry> = (0..READINGS + 1).map(|n| plain(1, n as i64, 1.0.into())).collect();
    assert_eq!(encode(&many, 1).1, READINGS);
    let text = Value::Text("x".repeat(1024).into());
    let long: Vec<Entry> = (0..5_000).map(|n| plain(1, n, text.clone())).collect();
    let (row, taken) = encode(&long, 1);
    assert!((900..1_100).contains(&taken), "{taken}");
    assert!((900_000..1_100_000).contains(&row.body.len()), "{}", row.body.len());
}

#[test]
fn a_damaged_row_says_so() {
    let (row, _) = encode(&[plain(7, 1_000, 21.5.into())], 1);
    let changed = Row { body: row.body.replace("21", "22"), ..row.clone() };
    assert!(decode(&changed, None, |_, _| {}).is_err());
    // Even where the checksum fits.
    for body in ["", "[", "[[7,0]]", "[[7,0,1],[7,0,1]]", "[[7,0,{}]]", "{}", "[7]"] {
        let mut head = row.head;
        head.crc = crc32c::crc32c(body.as_bytes());
        let row = Row { head, body: body.to_owned() };
        assert!(decode(&row, None, |_, _| {}).is_err(), "{body}");
    }
}
