//! How files begin: every `lib.rs` introduces its crate, every station of the pipeline declares its
//! queue.

/// A `lib.rs` introduces; past this length it has begun to do something.
const LIB_LINES: usize = 120;

/// What the head of a file with a queue says.
const QUEUE: [&str; 5] = ["In:", "Out:", "Bound:", "When full:", "Counter:"];

/// The stations of a reading's way that hold readings or requests.
const STATIONS: [&str; 7] =
    ["bus.rs", "writer.rs", "queue.rs", "intake.rs", "cursor.rs", "latest.rs", "command.rs"];

/// What is wrong with a crate's `lib.rs`.
#[must_use]
pub fn lib(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!("{path} must begin with `//!`: what the crate is for, what it is not"));
    }
    let lines = text.lines().count();
    if lines > LIB_LINES {
        faults.push(format!("{path} has {lines} lines, at most {LIB_LINES}: it only introduces"));
    }
    for statement in text.split(';') {
        let code: Vec<&str> =
            statement.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
        let code = code.join(" ");
        if let Some(at) = code.find("pub use ")
            && code[at..].contains('*')
        {
            faults.push(format!("{path} re-exports by glob: `{}`", &code[at..]));
        }
    }
    faults
}

/// What the head of a pipeline file does not say, if it is one of the stations.
#[must_use]
pub fn station(path: &str, text: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    if folder != "iot-core/src/pipeline" || !STATIONS.contains(&name) {
        return None;
    }
    let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let unsaid: Vec<&str> = QUEUE.into_iter().filter(|word| !head.contains(word)).collect();
    (!unsaid.is_empty()).then(|| format!("the head of {path} does not say: {}", unsaid.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lib_introduces() {
        let good = "//! What it is for.\n\npub mod a;\npub use a::{B, C};\n// pub use a::*;\n";
        assert_eq!(lib("lib.rs", good), [""; 0]);
        assert_eq!(lib("lib.rs", "pub mod a;\n").len(), 1);
        assert_eq!(lib("lib.rs", &"//! long\n".repeat(121)).len(), 1);
        for glob in ["pub use a::*;", "pub use a::{\n    b,\n    c::*,\n};"] {
            assert_eq!(lib("lib.rs", &format!("//! Text.\n{glob}\n")).len(), 1, "{glob}");
        }
    }

    #[test]
    fn a_station_declares_its_queue() {
        let path = "iot-core/src/pipeline/bus.rs";
        let head = "//! In: a\n//! Out: b\n//! Bound: c\n//! When full: d\n//! Counter: e\n";
        assert_eq!(station(path, head), None);
        let fault = station(path, &head.replace("//! Bound: c\n", "")).unwrap();
        assert!(fault.ends_with("does not say: Bound:"), "{fault}");
        assert!(station(path, &format!("//! Text.\n\n{head}")).is_some(), "outside the head");
        assert_eq!(station("iot-core/src/pipeline/mod.rs", ""), None);
        assert_eq!(station("iot-http/src/bus.rs", ""), None);
    }
}
