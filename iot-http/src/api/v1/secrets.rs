//! Secrets in an instance's configuration are shown as `{"set":true}`: those fields that the kind's
//! schema marks `writeOnly` or `format: password`.

use serde_json::{Map, Value as Json, json};

/// Deep enough for any form, and an end for schemas that refer to themselves.
const DEPTH: usize = 16;

/// A configuration without its secrets. Without a schema nothing can be told apart, and nothing is
/// shown.
pub(super) fn hidden(schema: Option<&Json>, config: &Json) -> Json {
    match schema {
        Some(schema) => masked(schema, schema, config, DEPTH),
        None => Json::Object(Map::new()),
    }
}

fn masked(root: &Json, schema: &Json, value: &Json, depth: usize) -> Json {
    if depth == 0 {
        return json!({ "set": true });
    }
    let mut shown = value.clone();
    if is_secret(schema) && !value.is_null() {
        return json!({ "set": true });
    }
    if let Some(target) =
        schema["$ref"].as_str().and_then(|r| root.pointer(r.trim_start_matches('#')))
    {
        shown = masked(root, target, &shown, depth - 1);
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            shown = masked(root, part, &shown, depth - 1);
        }
    }
    match &mut shown {
        Json::Object(fields) => {
            for (name, field) in fields {
                let of = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                if of.is_object() {
                    *field = masked(root, of, field, depth - 1);
                }
            }
        }
        Json::Array(items) if schema["items"].is_object() => {
            for item in items {
                *item = masked(root, &schema["items"], item, depth - 1);
            }
        }
        _ => {}
    }
    shown
}

fn is_secret(schema: &Json) -> bool {
    schema["writeOnly"] == true || schema["format"] == "password"
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(shown["key"], json!({"set": true}));
        assert_eq!(shown["login"], json!({"user": "u", "password": {"set": true}}));
        assert_eq!(shown["more"][0]["password"], json!({"set": true}));
        assert_eq!(hidden(None, &config), json!({}));
    }
}
