//! What the configuration may ask for and this build does not hold yet: one line each at the start.

use std::path::Path;

use crate::compose::Place;

/// Says what is asked for and not part of this build.
pub(crate) fn say(place: &Place) {
    let plugins = plugins_in(&place.plugins);
    if plugins > 0 {
        let folder = place.plugins.display();
        tracing::warn!(%folder, plugins, "plugins on disk are not part of this build yet; none of the folder's is loaded");
    }
}

/// How many plugins a folder holds. A missing one holds none; names that begin with `.` or `_` do
/// not count.
fn plugins_in(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with(['.', '_']))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_and_missing_folders_hold_no_plugins() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(plugins_in(&folder.path().join("missing")), 0);
        for name in [".git", "_template.py", "level.py"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(plugins_in(folder.path()), 1);
    }
}
