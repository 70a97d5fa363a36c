//! How the gateway's words are spelled outside. Pure: bytes and values in, bytes and values out.

pub mod device;
pub mod flat;

/// Reads any bytes as a payload, for fuzzing: it must not panic, must leave the batch alone where
/// it fails, and what it took must survive being written and read again.
#[doc(hidden)]
pub fn fuzz_flat(data: &[u8]) {
    use crate::domain::{Batch, DeviceId};
    let Ok(device) = DeviceId::parse("fuzz") else { return };
    let mut batch = Batch::new();
    let Ok(read) = flat::read(data, &device, &mut batch) else {
        assert!(batch.is_empty(), "a malformed payload left readings behind");
        return;
    };
    assert_eq!(read.readings, batch.len());
    let samples = batch.samples();
    for instant in samples.chunk_by(|a, b| a.ts == b.ts) {
        let Some(ts) = instant.first().and_then(|sample| sample.ts) else { continue };
        let mut out = Vec::new();
        let mut names = std::collections::HashSet::new();
        // Two instants of a backlog may have one time, and then the same names twice.
        let values = instant.iter().filter(|sample| names.insert(sample.key.clone()));
        let values: Vec<_> = values.map(|sample| (&sample.key, sample.value.as_ref())).collect();
        flat::write(&mut out, ts, false, values.iter().copied());
        let mut again = Batch::new();
        assert!(flat::read(&out, &device, &mut again).is_ok(), "what was written cannot be read");
        let again: Vec<_> =
            again.samples().iter().map(|s| (&s.key, s.value.as_ref())).collect();
        assert_eq!(again, values);
    }
}
