//! What is wrong with the configuration: where, what, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// Where a configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file, at a line where it is known.
    File { path: PathBuf, line: Option<usize> },
    /// In a variable.
    Variable(String),
    /// Wherever the value came from.
    Anywhere,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Fault {
    /// Where.
    pub(crate) place: Place,
    /// The key's path; empty where the place says it all.
    pub(crate) key: String,
    /// What, and what would be right.
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(place: Place, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place, key: key.into(), what: what.into() }
    }

    /// Something is wrong with a key, wherever its value came from.
    pub(crate) fn anywhere(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Place::Anywhere, key, what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line: Some(line) } => {
                write!(f, "{}, line {line}: ", path.display())?;
            }
            Place::File { path, line: None } => write!(f, "{}: ", path.display())?,
            Place::Variable(name) => write!(f, "{name}: ")?,
            Place::Anywhere => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}
