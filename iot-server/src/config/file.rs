//! The TOML file: read on its own, so that an error names its line.

use std::path::Path;

use super::fault::{Fault, Place};
use super::model::Config;
use super::suggest;

/// Reads a file and checks every value in it.
pub(crate) fn read(path: &Path) -> Result<toml::Table, Fault> {
    let place = Place::File { path: path.to_owned(), line: None };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Fault::new(place, "", format!("the file cannot be read: {e}")))?;
    parse(&text, path)
}

/// Parses a file's text and checks every value in it.
pub(crate) fn parse(text: &str, path: &Path) -> Result<toml::Table, Fault> {
    let fault = |error: &toml::de::Error, key: &str| {
        let line = error.span().map(|span| line_of(text, span.start));
        let place = Place::File { path: path.to_owned(), line };
        explain(place, key, error.message())
    };
    let document = toml::Deserializer::parse(text).map_err(|error| fault(&error, ""))?;
    serde_path_to_error::deserialize::<_, Config>(document)
        .map_err(|error| fault(error.inner(), &key_of(error.path())))?;
    toml::from_str(text).map_err(|error| fault(&error, ""))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The path of a key, `instance[0].kind`; empty for the whole document.
pub(crate) fn key_of(path: &serde_path_to_error::Path) -> String {
    let key = path.to_string();
    if key == "." { String::new() } else { key }
}

/// Says what is wrong with a value, with the nearest known key where one is not known.
pub(crate) fn explain(place: Place, key: &str, message: &str) -> Fault {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return Fault::new(place, key, message.lines().next().unwrap_or_default());
    };
    let (name, known) = rest.split_once('`').unwrap_or((rest, ""));
    let beside: Vec<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    // The path ends in the unknown key itself, or in its table.
    let table = key.strip_suffix(name).map_or(key, |table| table.trim_end_matches('.'));
    let hint = suggest::for_key(table, name, &beside);
    let key = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
    Fault::new(place, key, format!("there is no such key; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(text: &str) -> String {
        parse(text, Path::new("iot.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_its_line_its_key_and_the_nearest_known_one() {
        assert_eq!(
            fault("[http]\nlistne = []\n"),
            "iot.toml, line 2: http.listne: there is no such key; did you mean http.listen?"
        );
        assert_eq!(
            fault("\n[htpp]\nlisten = []\n"),
            "iot.toml, line 2: htpp: there is no such key; did you mean http?"
        );
        assert_eq!(
            fault("listen = []\n"),
            "iot.toml, line 1: listen: there is no such key; did you mean http.listen?"
        );
        assert_eq!(
            fault("[[instance]]\nname = \"a\"\nkind = \"host\"\nconfg = {}\n"),
            "iot.toml, line 4: instance[0].confg: there is no such key; \
             did you mean instance[0].config?"
        );
    }

    #[test]
    fn a_wrong_value_is_told_what_would_be_right() {
        let text = fault("[storage]\nurl = \"sqlite:x\"\ndisk_cap = \"8 gigs\"\n");
        assert!(text.starts_with("iot.toml, line 3: storage.disk_cap: "), "{text}");
        assert!(text.contains("8GiB"), "{text}");
        for (table, line, says) in [
            ("mqtt", "max_message = \"0\"", "must be from 1KiB to 256MiB, not 0B"),
            ("mqtt", "max_message = 1023", "must be from 1KiB to 256MiB, not 1023B"),
            ("mqtt", "max_message = \"257MiB\"", "must be from 1KiB to 256MiB, not 257MiB"),
            ("storage", "disk_cap = \"63MiB\"", "must be 64MiB or more, not 63MiB"),
            ("storage", "backlog_cap = 0", "must be 1MiB or more, not 0B"),
        ] {
            let key = line.split(' ').next().unwrap();
            let text = fault(&format!("[{table}]\n{line}\n"));
            assert_eq!(text, format!("iot.toml, line 2: {table}.{key}: {says}"));
        }
        for text in [
            "[mqtt]\nmax_message = \"1KiB\"\n",
            "[mqtt]\nmax_message = \"256MiB\"\n",
            "[storage]\ndisk_cap = \"64MiB\"\nbacklog_cap = \"1MiB\"\n",
        ] {
            assert!(parse(text, Path::new("iot.toml")).is_ok(), "{text}");
        }
        let text = fault("[http]\nlisten = [\"8080\"]\n");
        assert!(text.contains("line 2: http.listen") && text.contains("127.0.0.1:8080"), "{text}");
        let text = fault("[storage]\nwear = \"ssdd\"\n");
        assert!(text.contains("`ssd`") && text.contains("`sd`"), "{text}");
        let text = fault("[[instance]]\nname = \"a b\"\nkind = \"host\"\n");
        assert!(text.contains("instance[0].name") && text.contains("1 to 64"), "{text}");
        let text = fault("[http\n");
        assert!(text.starts_with("iot.toml, line 1: "), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
