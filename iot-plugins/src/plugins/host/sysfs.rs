//! Temperatures as the kernel shows them, under `class/thermal` and `class/hwmon`.
//!
//! A chip's number changes between boots, so a key is made of the chip's name and the input's label.
//! Where two would meet, all of them also carry the device that their chip sits on: a key never
//! comes to mean another chip. A chip that the thermal subsystem shows too is taken from there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::key;
use super::measured::{Findings, Form};

/// Inputs beyond this are left out.
const MOST: usize = 36;

/// One temperature input.
#[derive(Debug)]
struct Input {
    /// The chip's or zone's name.
    chip: String,
    /// What the chip calls it; none where it is the only one and has no name.
    label: Option<String>,
    /// The device that it sits on, the same after every boot.
    device: String,
    /// Whether another input would have the same key.
    shared: bool,
    value: Result<f64, String>,
}

/// Reads every input once.
pub(super) fn measure(root: &Path, found: &mut Findings) {
    let mut inputs = zones(&root.join("class/thermal"));
    let zones: Vec<String> = inputs.iter().map(|zone| key::label(&zone.chip)).collect();
    for chip in numbered(&root.join("class/hwmon"), "hwmon", "") {
        inputs.extend(
            chip_inputs(&chip).into_iter().filter(|i| !zones.contains(&key::label(&i.chip))),
        );
    }
    for (key, input) in keyed(inputs).into_iter().take(MOST) {
        let label = input.label.map(|label| format!(" {label}")).unwrap_or_default();
        let whose = if input.shared { format!(" ({})", input.device) } else { String::new() };
        let name = format!("Temperature, {}{label}{whose}", input.chip);
        found.add(&key, &name, Form::CELSIUS, input.value);
    }
}

/// Gives each input its key, in the keys' order.
fn keyed(inputs: Vec<Input>) -> BTreeMap<String, Input> {
    let mut by_key: BTreeMap<String, Vec<Input>> = BTreeMap::new();
    for input in inputs {
        let mut key = format!("temp_{}", key::label(&input.chip));
        if let Some(label) = &input.label {
            key = format!("{key}_{}", key::label(label));
        }
        by_key.entry(key).or_default().push(input);
    }
    let mut keyed = BTreeMap::new();
    for (key, mut sharing) in by_key {
        if sharing.len() == 1 {
            keyed.extend(sharing.pop().map(|only| (key, only)));
            continue;
        }
        for mut input in sharing {
            input.shared = true;
            let whose = format!("{}/{}", input.device, input.label.as_deref().unwrap_or(""));
            let cut: String = key.chars().take(54).collect();
            keyed.insert(format!("{cut}_{}", key::hash(&whose)), input);
        }
    }
    keyed
}

fn zones(class: &Path) -> Vec<Input> {
    let zones = numbered(class, "thermal_zone", "");
    let input = |zone: PathBuf| {
        let chip = read(&zone.join("type")).ok()?;
        let device = zone.file_name()?.to_string_lossy().into_owned();
        let value = degrees(&zone.join("temp"));
        Some(Input { chip, label: None, device, shared: false, value })
    };
    zones.into_iter().filter_map(input).collect()
}

fn chip_inputs(chip: &Path) -> Vec<Input> {
    let Ok(name) = read(&chip.join("name")).or_else(|_| read(&chip.join("device/name"))) else {
        return Vec::new();
    };
    let device = fs::read_link(chip.join("device")).ok();
    let device = device.as_deref().and_then(Path::file_name);
    let device = device.unwrap_or_default().to_string_lossy().into_owned();
    let files = numbered(chip, "temp", "_input");
    let alone = files.len() == 1;
    let input = |file: PathBuf| {
        let path = file.to_string_lossy();
        let stem = path.strip_suffix("_input")?;
        let own = stem.rsplit('/').next()?.to_owned();
        let label = read(Path::new(&format!("{stem}_label"))).ok().filter(|l| !l.is_empty());
        let label = label.or_else(|| (!alone).then_some(own));
        let fault = read(Path::new(&format!("{stem}_fault"))).is_ok_and(|fault| fault == "1");
        let value = if fault { Err("the chip reports a fault".to_owned()) } else { degrees(&file) };
        Some(Input { chip: name.clone(), label, device: device.clone(), shared: false, value })
    };
    files.into_iter().filter_map(input).collect()
}

/// What lies in a folder as `before`, a number, `after`, in the order of the numbers.
fn numbered(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(before)?.strip_suffix(after)?.parse::<u32>().ok()
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let by_number: BTreeMap<u32, PathBuf> =
        paths.filter_map(|path| Some((number(&path)?, path))).collect();
    by_number.into_values().collect()
}

/// A value in millidegrees. A sensor that sleeps answers with an error, which is its reading.
fn degrees(path: &Path) -> Result<f64, String> {
    let text = read(path).map_err(|error| format!("the chip does not answer: {error}"))?;
    let millidegrees: i32 = text.parse().map_err(|_| format!("the chip says {text:?}"))?;
    Ok(f64::from(millidegrees) / 1000.0)
}

fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.trim().chars().take(200).collect())
}
