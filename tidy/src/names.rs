//! No room for odds and ends: a file is called after the one idea that it holds.

const VAGUE: [&str; 8] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"];

/// The vague names in a path: its folders, and its file without the ending.
#[must_use]
pub fn in_path(path: &str) -> Vec<String> {
    path.split('/')
        .map(|part| part.split('.').next().unwrap_or(part))
        .filter(|name| VAGUE.contains(name))
        .map(|name| format!("{path}: `{name}` says nothing: call it after what it holds"))
        .collect()
}

/// The vaguely named modules that a Rust file declares.
#[must_use]
pub fn in_rust(path: &str, text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let line =
                line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let name = line.strip_prefix("mod ")?;
            name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
        })
        .filter(|name| VAGUE.contains(name))
        .map(|name| format!("{path}: `mod {name}` says nothing: call it after what it holds"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vague_names_are_found_and_others_left() {
        assert_eq!(in_path("iot-core/src/domain/unit.rs"), [""; 0]);
        assert_eq!(in_path("iot-core/src/utils/time.rs").len(), 1);
        assert_eq!(in_path("frontend/src/helpers.test.ts").len(), 1);
        assert_eq!(in_rust("a.rs", "mod common_prefix;\nuse a::common;\n"), [""; 0]);
        assert_eq!(in_rust("a.rs", "    pub(crate) mod misc {\nmod manager;\n").len(), 2);
    }
}
