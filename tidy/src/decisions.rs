//! Decisions: `decisions/0001-title.md`, numbered without gaps, dated, with a status.

/// What is wrong with the names, given in any order and without their folder.
#[must_use]
pub fn numbering(names: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut numbers = Vec::new();
    for name in names {
        match number(name) {
            Some(number) => numbers.push(number),
            None => faults.push(format!("decisions/{name} must be called NNNN-title.md")),
        }
    }
    numbers.sort_unstable();
    for (expected, number) in (1..).zip(numbers) {
        if number != expected {
            faults.push(format!("decisions: where {expected:04} should stand is {number:04}"));
            break;
        }
    }
    faults
}

fn number(name: &str) -> Option<u32> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = number.len() == 4 && !title.is_empty() && title.chars().all(is_plain);
    number.parse().ok().filter(|_| fits)
}

/// What the text of the decision `name` lacks.
#[must_use]
pub fn lacks(name: &str, text: &str) -> Vec<String> {
    let number = name.split('-').next().unwrap_or_default();
    let mut faults = Vec::new();
    if !text.starts_with(&format!("# {number} ")) {
        faults.push(format!("decisions/{name} must begin with `# {number} `, then its title"));
    }
    for part in
        ["\nDate: 20", "\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"]
    {
        if !text.contains(part) {
            faults.push(format!("decisions/{name} has no `{}`", part.trim()));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gap_and_no_twin() {
        assert_eq!(numbering(&["0002-b.md", "0001-a-0-1.md"]), [""; 0]);
        assert_eq!(numbering(&["0001-a.md", "0003-c.md"]).len(), 1);
        assert_eq!(numbering(&["0001-a.md", "0001-b.md"]).len(), 1);
        for name in ["1-a.md", "0001.md", "0001-A b.md", "note.md"] {
            assert!(!numbering(&[name]).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_decision_has_its_parts() {
        let whole = "# 0001 T\n\nDate: 2026-01-01\nStatus: accepted\n\n## Context\n\n## Decision\n\n\
                     ## Consequences\n";
        assert_eq!(lacks("0001-t.md", whole), [""; 0]);
        assert_eq!(lacks("0002-t.md", whole).len(), 1);
        assert_eq!(lacks("0001-t.md", "# 0001 T\n").len(), 5);
    }
}
