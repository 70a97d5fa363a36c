//! Answers as people read them: columns of text.

use iot_core::domain::Timestamp;
use serde_json::Value as Json;

use crate::say;

/// Prints rows under a head, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    for line in lines(head, rows) {
        say::out(line);
    }
}

fn lines<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str()))));
    lines
}

/// A member as text: what is not there is a dash.
pub(crate) fn cell(item: &Json, name: &str) -> String {
    match item.get(name) {
        None | Some(Json::Null) => "-".to_owned(),
        Some(Json::String(text)) => printable(text),
        Some(other) => other.to_string(),
    }
}

/// A member that is an instant, to the second.
pub(crate) fn time(item: &Json, name: &str) -> String {
    let ms = item.get(name).and_then(Json::as_i64);
    ms.map_or("-".to_owned(), |ms| Timestamp::from_millis(ms / 1000 * 1000).to_string())
}

/// Text from devices and people, without what would steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["attic".to_owned(), "3".to_owned()], ["b".to_owned(), "-".to_owned()]];
        assert_eq!(lines(["NAME", "N"], &rows), ["NAME   N", "attic  3", "b      -"]);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let item = serde_json::json!({"name": "a\u{1b}[2Jb", "n": 1, "t": 1_700_000_000_123_i64});
        assert_eq!(cell(&item, "name"), "a\u{fffd}[2Jb");
        assert_eq!((cell(&item, "n").as_str(), cell(&item, "x").as_str()), ("1", "-"));
        assert_eq!(time(&item, "t"), "2023-11-14T22:13:20Z");
    }
}
