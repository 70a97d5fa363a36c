//! A plugin's configuration as the plugin takes it: JSON. A date of TOML becomes its text.

use serde_json::Value as Json;

pub(crate) fn of_table(table: &toml::Table) -> Json {
    Json::Object(table.iter().map(|(key, value)| (key.clone(), of_value(value))).collect())
}

fn of_value(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text.as_str()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => Json::from(*number),
        toml::Value::Boolean(bool) => Json::from(*bool),
        toml::Value::Datetime(date) => Json::from(date.to_string()),
        toml::Value::Array(items) => items.iter().map(of_value).collect(),
        toml::Value::Table(table) => of_table(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_value_arrives() {
        let table: toml::Table =
            toml::from_str("a = 1\nb = 1.5\nc = [true, 'x']\nd = 2026-01-02\n[e]\nf = 'g'\n")
                .unwrap();
        assert_eq!(
            of_table(&table),
            serde_json::json!({"a": 1, "b": 1.5, "c": [true, "x"], "d": "2026-01-02", "e": {"f": "g"}})
        );
    }
}
