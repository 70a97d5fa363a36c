//! From an address to a file: `sqlite:iot.db` lies in the data folder, `sqlite:/path/iot.db` does
//! not.

use std::path::{Path, PathBuf};

use iot_core::port::{StoreError, StoreOptions};

/// The file that an address names.
pub(super) fn file(options: &StoreOptions) -> Result<PathBuf, StoreError> {
    let refuse = |why: &str| StoreError { url: options.url.clone(), why: why.to_owned() };
    let rest = options
        .url
        .strip_prefix("sqlite:")
        .ok_or_else(|| refuse("an address of this store begins with sqlite:, as sqlite:iot.db"))?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if rest.is_empty() || rest.ends_with('/') {
        return Err(refuse("the address names no file; write sqlite:iot.db"));
    }
    if rest.contains(['?', '\0']) || rest == ":memory:" {
        return Err(refuse("the address must be a plain path of a file, as sqlite:iot.db"));
    }
    let path = options.data_dir.join(rest);
    std::path::absolute(&path).map_err(|error| refuse(&format!("{}: {error}", path.display())))
}

/// The folder of the file, which holds everything else of the store too.
pub(super) fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use iot_core::port::Synchronous;

    use super::*;

    fn parse(url: &str) -> Result<PathBuf, StoreError> {
        file(&StoreOptions {
            url: url.into(),
            data_dir: "/srv/iot".into(),
            synchronous: Synchronous::Full,
            disk_cap: None,
        })
    }

    #[test]
    fn addresses_are_relative_to_the_data_folder_unless_they_are_absolute() {
        assert_eq!(parse("sqlite:iot.db").unwrap(), Path::new("/srv/iot/iot.db"));
        assert_eq!(parse("sqlite:/var/x.db").unwrap(), Path::new("/var/x.db"));
        assert_eq!(parse("sqlite:///var/x.db").unwrap(), Path::new("/var/x.db"));
        for bad in ["postgres:x", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "sqlite:d/"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
