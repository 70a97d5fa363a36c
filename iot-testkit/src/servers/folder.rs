//! A folder that goes away with the test, unless the test fails.

use std::path::Path;

use super::error::ServerError;

/// A temporary folder: removed when dropped, kept and named when dropped by a panic.
#[derive(Debug)]
pub struct TestFolder(tempfile::TempDir);

impl TestFolder {
    /// A new, empty folder for `name`. Its path is short, for a socket's path may hold 107 bytes.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn new(name: &str) -> Result<Self, ServerError> {
        tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir()
            .map(Self)
            .map_err(|source| ServerError::file(name, std::env::temp_dir(), source))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TestFolder {
    #[expect(clippy::print_stderr, reason = "whoever reads the failure wants the folder's name")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("kept for a look: {}", self.0.path().display());
        }
    }
}
