//! The files of the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is built, fetched or written while running, wherever it lies.
const NOT_OURS: [&str; 8] =
    [".git", "target", "node_modules", "dist", ".build", "data", "test-results", "__pycache__"];

/// Every file of the repository that a person wrote, by its path from the root with `/` between.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    paths: Vec<String>,
}

impl Tree {
    /// The repository that this package lies in.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read.
    pub fn of_this_repository() -> io::Result<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::at(package.parent().unwrap_or(package))
    }

    /// The repository at `root`.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read.
    pub fn at(root: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        collect(root, "", &mut paths)?;
        paths.sort();
        Ok(Self { root: root.to_owned(), paths })
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The text of the file at `path`.
    ///
    /// # Errors
    ///
    /// When it is not there or not UTF-8; the error names it.
    pub fn text(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.root.join(path))
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }

    /// Path and text of every file whose name ends in one of `endings`.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn texts(&self, endings: &[&str]) -> io::Result<Vec<(String, String)>> {
        self.paths()
            .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
            .map(|path| Ok((path.to_owned(), self.text(path)?)))
            .collect()
    }
}

fn collect(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Not followed: a link may lead out of the repository or back into it.
        let kind = entry.file_type()?;
        let path = format!("{prefix}{name}");
        if kind.is_file() {
            paths.push(path);
        } else if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), paths)?;
        }
    }
    Ok(())
}
