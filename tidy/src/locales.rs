//! The page says the same in every language: its locale files have the same keys.

use std::collections::BTreeSet;

use serde_json::Value;

/// The keys that only one of two locale files has, each a name and its content.
#[must_use]
pub fn differences(one: (&str, &Value), other: (&str, &Value)) -> Vec<String> {
    let (ours, theirs) = (keys(one.1), keys(other.1));
    let lacking = |keys: &BTreeSet<String>, from: &BTreeSet<String>, name: &str| {
        keys.difference(from).map(|key| format!("{name} lacks `{key}`")).collect::<Vec<_>>()
    };
    [lacking(&ours, &theirs, other.0), lacking(&theirs, &ours, one.0)].concat()
}

fn keys(value: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    collect(value, "", &mut keys);
    keys
}

fn collect(value: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(object) => {
            for (key, value) in object {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(value, &key, keys);
            }
        }
        None => {
            keys.insert(prefix.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_missing_key_is_named_once() {
        let en = json!({"a": {"b": "x", "c": "y"}, "d": "z"});
        let ru = json!({"a": {"b": "х"}, "d": "з", "e": "и"});
        assert_eq!(
            differences(("en.json", &en), ("ru.json", &ru)),
            ["ru.json lacks `a.c`", "en.json lacks `e`"]
        );
        assert_eq!(differences(("en.json", &en), ("ru.json", &en)), [""; 0]);
    }
}
