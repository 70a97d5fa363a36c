//! serde's complaints, told to people who write JSON and queries: what is wanted and what came
//! instead, without the names of Rust's types.

/// The most of somebody's own text that is said back.
const ECHO: usize = 80;

/// What is wrong, and where serde names it the field below the place that it complains of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) field: Option<String>,
    pub(super) detail: String,
}

/// Puts a complaint into plain words. `noun` is what its names are called: a field, a parameter.
pub(super) fn plain(text: &str, noun: &str) -> Complaint {
    let text = without_place(text);
    let about = |name: &str, detail: String| Complaint { field: Some(name.to_owned()), detail };
    let bare = |detail: String| Complaint { field: None, detail };
    if let Some(rest) = text.strip_prefix("missing field `") {
        return about(rest.trim_end_matches('`'), "must be given".to_owned());
    }
    if let Some(rest) = text.strip_prefix("duplicate field `") {
        return about(rest.trim_end_matches('`'), "is given twice".to_owned());
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let (name, known) = parted(rest, "`, expected ");
        let detail = match known {
            Some(known) => format!("is no {noun} here; there are {}", listed(known)),
            None => format!("is no {noun} here; there are none"),
        };
        return about(name.trim_end_matches("`, there are no fields"), detail);
    }
    if let Some(rest) = text.strip_prefix("unknown variant `") {
        let (name, known) = parted(rest, "`, expected ");
        let known = known.map_or_else(|| "something else".to_owned(), words);
        return bare(format!("must be {known}, not {:?}", cut(name)));
    }
    for (start, of_length) in
        [("invalid type: ", false), ("invalid value: ", false), ("invalid length ", true)]
    {
        if let Some(rest) = text.strip_prefix(start) {
            let (came, wanted) = parted(rest, ", expected ");
            let wanted = wanted.map_or_else(|| "something else".to_owned(), wanted_in_words);
            let came =
                if of_length { format!("one of length {came}") } else { came_in_words(came) };
            return bare(format!("must be {wanted}, not {came}"));
        }
    }
    bare(match text {
        "recursion limit exceeded" => "is nested too deep".to_owned(),
        "number out of range" => "is too large a number".to_owned(),
        // What serde_json says of anything but a text where one of some words is wanted.
        "expected value" => "must be a text".to_owned(),
        other => other.to_owned(),
    })
}

/// Line and column say nothing beside the pointer.
fn without_place(text: &str) -> &str {
    text.rfind(" at line ").map_or(text, |at| text.split_at(at).0)
}

/// What was sent may hold anything; what is wanted stands behind the last mark.
fn parted<'a>(text: &'a str, mark: &str) -> (&'a str, Option<&'a str>) {
    text.rsplit_once(mark).map_or((text, None), |(came, wanted)| (came, Some(wanted)))
}

fn cut(text: &str) -> String {
    text.chars().take(ECHO).collect()
}

/// "one of `a`, `b`, `c`" and "`a` or `b`" without the marks.
fn words(known: &str) -> String {
    known.replace('`', "")
}

fn listed(known: &str) -> String {
    words(known.trim_start_matches("one of ")).replace(" or ", ", ")
}

fn wanted_in_words(wanted: &str) -> String {
    let plain = match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" | "boolean" | "bool" => "true or false",
        "a string" | "string" | "str" | "a borrowed string" | "a character" => "a text",
        "a map" | "map" => "an object",
        "a sequence" | "sequence" => "a list",
        "unit" => "null",
        _ if wanted.starts_with("struct ") => "an object",
        _ if wanted.starts_with("tuple ") || wanted.starts_with("a tuple ") => "a list",
        _ if wanted.starts_with("enum ") => "one of its words",
        other => other,
    };
    plain.to_owned()
}

fn came_in_words(came: &str) -> String {
    let quoted = |start: &str| came.strip_prefix(start).map(|rest| rest.trim_matches('`'));
    if let Some(text) = came.strip_prefix("string ") {
        let text = text.trim_matches('"');
        return if text.chars().count() > ECHO {
            "a long text".to_owned()
        } else {
            format!("the text \"{text}\"")
        };
    }
    if let Some(number) = quoted("integer `").or_else(|| quoted("floating point `")) {
        return format!("the number {number}");
    }
    if let Some(truth) = quoted("boolean `") {
        return truth.to_owned();
    }
    match came {
        "map" => "an object",
        "sequence" => "a list",
        "unit value" => "null",
        other => return cut(other),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_in_words_of_json() {
        let said = |text: &str| plain(text, "field").detail;
        for (text, plainly) in [
            ("invalid type: sequence, expected struct DeviceEdit", "must be an object, not a list"),
            (
                "invalid value: integer `300`, expected u8 at line 1 column 9",
                "must be a whole number from 0 to 255, not the number 300",
            ),
            (
                "invalid type: string \"a, expected u8\", expected f64",
                "must be a number, not the text \"a, expected u8\"",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "must be a whole number, 0 or more, not the number 1.5",
            ),
            ("invalid type: boolean `true`, expected a string", "must be a text, not true"),
            ("invalid type: null, expected a map", "must be an object, not null"),
            (
                "invalid length 1, expected struct Calibration with 2 elements",
                "must be an object, not one of length 1",
            ),
            ("unknown variant `x`, expected `api` or `link`", "must be api or link, not \"x\""),
            (
                "unknown variant `x`, expected one of `a`, `b`, `c`",
                "must be one of a, b, c, not \"x\"",
            ),
            ("device_id \"a b\" must have …", "device_id \"a b\" must have …"),
        ] {
            assert_eq!(said(text), plainly);
        }
        let long = format!("invalid type: string {:?}, expected u8", "x".repeat(5_000));
        assert!(said(&long).len() < 100);
    }

    #[test]
    fn fields_are_named() {
        for (text, field, detail) in [
            ("missing field `name`", "name", "must be given"),
            ("duplicate field `name` at line 1 column 9", "name", "is given twice"),
            (
                "unknown field `x`, expected one of `a`, `b`, `c`",
                "x",
                "is no field here; there are a, b, c",
            ),
            ("unknown field `x`, expected `a` or `b`", "x", "is no field here; there are a, b"),
            ("unknown field `x`, there are no fields", "x", "is no field here; there are none"),
        ] {
            let complaint = plain(text, "field");
            assert_eq!(complaint.field.as_deref(), Some(field));
            assert_eq!(complaint.detail, detail);
        }
    }
}
