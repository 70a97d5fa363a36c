//! The control socket: the API for whoever can open its file, with the rights of an administrator.
//!
//! The file has mode 0600 from the moment it exists. A path may hold 107 bytes; so that the data
//! folder may lie deeper, the socket is always reached through the opened folder.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use iot_core::port::LayerError;
use nix::sys::stat::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket};

use crate::layer::error;

const BACKLOG: u32 = 64;

/// The bound socket; its file is removed with it.
#[derive(Debug)]
pub(crate) struct Control {
    pub(super) listener: Option<UnixListener>,
    path: PathBuf,
}

impl Control {
    /// Binds the socket. One that was left over is replaced: the data folder's lock says that
    /// nobody else serves it.
    pub(crate) fn bind(path: &Path) -> Result<Self, LayerError> {
        let listener = bind(path).map_err(|e| {
            error(format!("the control socket {} cannot be made: {e}", path.display()))
        })?;
        Ok(Self { listener: Some(listener), path: path.to_owned() })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "the control socket's file could not be removed");
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new(".")))?;
    let through = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("something else lies there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = UnixSocket::new_stream()?;
    // The kernel gives the file the socket's mode, so there is no moment at which others could open it.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(through)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_deep_folder_and_a_left_over_socket_are_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let path = deep.join("control.sock");
        drop(bind(&path).unwrap());
        let control = Control::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(control);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(Control::bind(&path).is_err());
    }
}
