//! JSON Schema (2020-12) of configurations and commands: written from types, checked before use.

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::port::ConfigError;

/// The schema of a type.
#[must_use]
pub fn of<T: JsonSchema>() -> Json {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// Reads a type from JSON; a missing configuration (`null`) is an empty one.
///
/// # Errors
/// What does not fit, in serde's words.
pub fn read<T: DeserializeOwned>(json: &Json) -> Result<T, ConfigError> {
    let from = |json: &Json| serde_json::from_value(json.clone());
    match from(json) {
        Err(_) if json.is_null() => from(&Json::Object(serde_json::Map::new())),
        read => read,
    }
    .map_err(|e: serde_json::Error| ConfigError::at("", e.to_string()))
}

/// A text is not a JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema: {0}")]
pub struct SchemaError(String);

/// A compiled schema.
pub struct Checker(jsonschema::Validator);

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker")
    }
}

impl Checker {
    /// Compiles a schema; nothing is fetched from outside.
    ///
    /// # Errors
    /// When it is not a schema.
    pub fn new(schema: &Json) -> Result<Self, SchemaError> {
        jsonschema::options()
            .should_validate_formats(true)
            .build(schema)
            .map(Self)
            .map_err(|e| SchemaError(e.to_string()))
    }

    /// All that is wrong with a value; a `null` that does not fit counts as an empty object.
    #[must_use]
    pub fn errors(&self, value: &Json) -> Vec<ConfigError> {
        let empty = Json::Object(serde_json::Map::new());
        let value = if value.is_null() && !self.0.is_valid(value) { &empty } else { value };
        self.0
            .iter_errors(value)
            .map(|e| ConfigError::at(e.instance_path().as_str(), e.to_string()))
            .collect()
    }

    /// The first thing that is wrong with a value.
    ///
    /// # Errors
    /// What and where.
    pub fn check(&self, value: &Json) -> Result<(), ConfigError> {
        self.errors(value).into_iter().next().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something to configure.
    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        /// How often.
        #[serde(default)]
        #[schemars(range(min = 100))]
        interval_ms: u64,
    }

    #[test]
    fn a_wrong_field_is_named_by_its_pointer() {
        let checker = Checker::new(&of::<Config>()).unwrap();
        assert!(checker.check(&Json::Null).is_ok());
        assert!(Checker::new(&of::<()>()).unwrap().check(&Json::Null).is_ok());
        assert_eq!(read::<Config>(&Json::Null).unwrap().interval_ms, 0);
        let wrong = checker.check(&serde_json::json!({"interval_ms": 5})).unwrap_err();
        assert_eq!(wrong.pointer, "/interval_ms");
        assert!(checker.check(&serde_json::json!({"intervall": 500})).is_err());
    }
}
