//! Secrets in an instance's configuration are shown as `{"set":true}`: those fields that the kind's
//! schema marks `writeOnly` or `format: password`.
//!
//! A value is hidden if any schema that may apply to it says so: alternatives are not tried out, and
//! names are not matched against patterns. Rather too much is hidden than a secret shown.

use serde_json::{Map, Value as Json, json};

/// What each of their schemas says about the same value.
const ALTERNATIVES: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const CONDITIONS: [&str; 3] = ["if", "then", "else"];

/// A configuration without its secrets. Without a schema nothing can be told apart, and nothing is
/// shown.
pub(super) fn hidden(schema: Option<&Json>, config: &Json) -> Json {
    match schema {
        Some(schema) => masked(schema, &[schema], config),
        None => Json::Object(Map::new()),
    }
}

/// A value as all schemas together let it be seen.
fn masked(root: &Json, schemas: &[&Json], value: &Json) -> Json {
    let mut applying = Vec::new();
    let followed = schemas.iter().all(|schema| gather(root, schema, &mut applying));
    let secret = !followed || applying.iter().any(|schema| is_secret(schema));
    match value {
        Json::Null => Json::Null,
        _ if secret => json!({ "set": true }),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, field)| {
                let of: Vec<&Json> = applying.iter().flat_map(|s| of_field(s, name)).collect();
                (name.clone(), masked(root, &of, field))
            })
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| {
                let of: Vec<&Json> = applying.iter().flat_map(|s| of_item(s, n)).collect();
                masked(root, &of, item)
            })
            .collect(),
        _ => value.clone(),
    }
}

/// Adds a schema and those that it applies to the same value, each once. False where one refers to
/// what is not in this document: what it would say is not known.
fn gather<'a>(root: &'a Json, schema: &'a Json, all: &mut Vec<&'a Json>) -> bool {
    if !schema.is_object() || all.iter().any(|known| std::ptr::eq(*known, schema)) {
        return true;
    }
    all.push(schema);
    let mut parts: Vec<&Json> = Vec::new();
    for word in ["$ref", "$dynamicRef"] {
        match schema.get(word).map(|reference| target(root, reference)) {
            Some(Some(found)) => parts.push(found),
            Some(None) => return false,
            None => {}
        }
    }
    parts.extend(ALTERNATIVES.iter().filter_map(|word| schema[*word].as_array()).flatten());
    parts.extend(CONDITIONS.iter().filter_map(|word| schema.get(*word)));
    parts.extend(schema["dependentSchemas"].as_object().into_iter().flat_map(Map::values));
    parts.into_iter().all(|part| gather(root, part, all))
}

/// Where a reference within the document leads.
fn target<'a>(root: &'a Json, reference: &Json) -> Option<&'a Json> {
    root.pointer(reference.as_str()?.strip_prefix('#')?)
}

/// What a schema says about a field. One that has a property of its own is not looked for among the
/// patterns.
fn of_field<'a>(schema: &'a Json, name: &str) -> Vec<&'a Json> {
    if let Some(own) = schema["properties"].get(name) {
        return vec![own];
    }
    let patterns = schema["patternProperties"].as_object().into_iter().flat_map(Map::values);
    let others = ["additionalProperties", "unevaluatedProperties"];
    patterns.chain(others.iter().filter_map(|word| schema.get(*word))).collect()
}

/// What a schema says about an item. `items` as a list is how `prefixItems` was once written.
fn of_item(schema: &Json, n: usize) -> Vec<&Json> {
    let listed = |word: &str| schema[word].as_array().and_then(|all| all.get(n));
    let own = listed("prefixItems").or_else(|| listed("items"));
    let rest: &[&str] = match own {
        Some(_) => &["contains"],
        None => &["items", "additionalItems", "unevaluatedItems", "contains"],
    };
    own.into_iter().chain(rest.iter().filter_map(|word| schema.get(*word))).collect()
}

fn is_secret(schema: &Json) -> bool {
    schema["writeOnly"] == true || schema["format"] == "password"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(schema: Json, config: Json) -> Json {
        hidden(Some(&schema), &config)
    }

    fn set() -> Json {
        json!({"set": true})
    }

    #[test]
    fn secrets_are_hidden_wherever_the_schema_puts_them() {
        let schema = json!({
            "properties": {
                "host": {"type": "string"},
                "key": {"type": "string", "writeOnly": true},
                "login": {"$ref": "#/$defs/Login"},
                "more": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Login"}, {"type": "null"}]}},
            },
            "$defs": {"Login": {"properties": {"user": {}, "password": {"format": "password"}}}},
        });
        let config = json!({
            "host": "h", "key": "k1",
            "login": {"user": "u", "password": "p1"},
            "more": [{"user": "v", "password": "p2"}],
        });
        let shown = hidden(Some(&schema), &config);
        assert_eq!(shown["host"], "h");
        assert_eq!(shown["key"], set());
        assert_eq!(shown["login"], json!({"user": "u", "password": {"set": true}}));
        assert_eq!(shown["more"][0]["password"], set());
        assert_eq!(hidden(None, &config), json!({}));
    }

    #[test]
    fn patterns_and_additional_properties_reach_fields_without_one_of_their_own() {
        let secret = json!({"writeOnly": true});
        let by_pattern = json!({
            "properties": {"host": {}},
            "patternProperties": {"^x_": {"type": "string"}, "_key$": secret},
        });
        let config = json!({"host": "h", "a_key": "k"});
        assert_eq!(shown(by_pattern, config), json!({"host": "h", "a_key": set()}));
        let nested = json!({"patternProperties": {"": {"properties": {"pin": secret}}}});
        let config = json!({"door": {"pin": 1234, "name": "n"}});
        assert_eq!(shown(nested, config), json!({"door": {"pin": set(), "name": "n"}}));
        let by_rest = json!({"properties": {"host": {}}, "additionalProperties": secret});
        let config = json!({"host": "h", "other": ["k"], "none": null});
        assert_eq!(shown(by_rest, config), json!({"host": "h", "other": set(), "none": null}));
    }

    #[test]
    fn items_are_hidden_by_place_and_by_rule() {
        let secret = json!({"format": "password"});
        let placed = json!({"prefixItems": [{"type": "string"}, secret], "items": {}});
        assert_eq!(shown(placed, json!(["u", "p", "x"])), json!(["u", set(), "x"]));
        let rest = json!({"prefixItems": [{}], "items": secret});
        assert_eq!(shown(rest, json!(["u", "p", "q"])), json!(["u", set(), set()]));
        let old = json!({"items": [{}, secret], "additionalItems": false});
        assert_eq!(shown(old, json!(["u", "p"])), json!(["u", set()]));
    }

    #[test]
    fn every_alternative_counts() {
        for word in ALTERNATIVES {
            let field =
                json!({"properties": {"key": {word: [{"type": "null"}, {"writeOnly": true}]}}});
            assert_eq!(shown(field, json!({"key": "k"})), json!({"key": set()}), "{word}");
            let whole = json!({word: [
                {"properties": {"key": {"type": "string"}}},
                {"properties": {"key": {"writeOnly": true}}},
                {"additionalProperties": {"properties": {"set": {"writeOnly": true}}}},
            ]});
            let config = json!({"key": "k", "host": {"set": 1, "port": 2}});
            let masked = json!({"key": set(), "host": {"set": set(), "port": 2}});
            assert_eq!(shown(whole, config), masked, "{word}");
        }
        let when = json!({"if": {}, "then": {"properties": {"key": {"writeOnly": true}}}});
        assert_eq!(shown(when, json!({"key": "k"})), json!({"key": set()}));
    }

    #[test]
    fn references_are_followed_and_one_that_leads_nowhere_hides() {
        let own = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"properties": {
                "key": {"$ref": "#/$defs/Key"},
                "child": {"$ref": "#/$defs/Node"},
                "loop": {"$ref": "#/$defs/Loop"},
            }}, "Key": {"writeOnly": true}, "Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}]}},
        });
        let config = json!({"child": {"child": {"key": "k", "n": 1}}, "loop": 5});
        let masked = json!({"child": {"child": {"key": set(), "n": 1}}, "loop": 5});
        assert_eq!(shown(own, config), masked);
        for nowhere in ["#/$defs/Gone", "https://example.org/schema", "#anchor"] {
            let schema = json!({"properties": {"a": {"$ref": nowhere}, "b": {}}});
            assert_eq!(shown(schema, json!({"a": 1, "b": 2})), json!({"a": set(), "b": 2}));
        }
    }
}
