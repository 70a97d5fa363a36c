//! Inputs to begin with, a file each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A folder or file of it cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing is in it.
    #[error("{} is empty: put at least one input there", .0.display())]
    Empty(PathBuf),
}

/// Inputs to begin with, by name, in the order of their names.
#[derive(Debug, Clone)]
pub struct Corpus {
    name: String,
    inputs: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// The corpus `fuzz/corpus/<name>` of this repository.
    ///
    /// # Errors
    /// When it cannot be read or is empty.
    pub fn of(name: &str) -> Result<Self, CorpusError> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.parent().unwrap_or(package);
        Self::at(name, &root.join("fuzz/corpus").join(name))
    }

    /// The files of a folder.
    ///
    /// # Errors
    /// When it cannot be read or is empty.
    pub fn at(name: &str, folder: &Path) -> Result<Self, CorpusError> {
        let failed =
            |path: &Path, source| CorpusError::Unreadable { path: path.to_owned(), source };
        let mut inputs = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let path = entry.map_err(|error| failed(folder, error))?.path();
            let input = fs::read(&path).map_err(|error| failed(&path, error))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            inputs.push((file, input));
        }
        if inputs.is_empty() {
            return Err(CorpusError::Empty(folder.to_owned()));
        }
        inputs.sort();
        Ok(Self { name: name.to_owned(), inputs })
    }

    /// These inputs.
    pub fn given<'i>(name: &str, inputs: impl IntoIterator<Item = &'i [u8]>) -> Self {
        let inputs = inputs.into_iter().enumerate();
        let inputs = inputs.map(|(n, input)| (format!("no. {n}"), input.to_owned())).collect();
        Self { name: name.to_owned(), inputs }
    }

    /// The target's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name and bytes of each.
    #[must_use]
    pub fn inputs(&self) -> &[(String, Vec<u8>)] {
        &self.inputs
    }
}
