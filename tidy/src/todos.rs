//! Whatever is left to do has an issue: a mark without one is a wish.

/// The files in which a mark is looked for.
pub const ENDINGS: [&str; 11] =
    [".rs", ".ts", ".vue", ".js", ".mjs", ".py", ".sh", ".sql", ".toml", ".yml", ".service"];

/// Written apart, so that this file does not find itself.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// The marks that name no issue, by line.
#[must_use]
pub fn without_issue(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for mark in MARKS {
            let found = line.match_indices(mark).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + mark.len()..]);
                let is_word =
                    !before.ends_with(is_word_character) && !after.starts_with(is_word_character);
                is_word && !(mark == MARKS[0] && names_an_issue(after))
            });
            if found {
                let number = number + 1;
                faults.push(format!("{path}:{number}: `{mark}` must be `{}(#N)`", MARKS[0]));
            }
        }
    }
    faults
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn names_an_issue(after: &str) -> bool {
    after
        .strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_needs_an_issue() {
        let [todo, fixme] = MARKS;
        let good = format!("// {todo}(#12): later\nconst {todo}_LIST: u8 = 1;\n");
        assert_eq!(without_issue("a.rs", &good), [""; 0]);
        let bad = format!("\n// {todo}: later\n// {todo}(me)\n// {fixme}(#3)\n// {todo}(#)\n");
        let faults = without_issue("a.rs", &bad);
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].starts_with("a.rs:2:"), "{faults:?}");
    }
}
