//! A child process that ends with the test.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::error::{ServerError, ServerErrorKind};
use crate::wait::try_until_blocking;

/// How many lines of a program's output an error or a failed test shows.
const LINES_SHOWN: usize = 30;

/// The place of `command` on the path.
///
/// # Errors
///
/// When it is not there; the error names the Debian package that brings it.
pub fn find_program(command: &str, package: &str) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(command))
        .find(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
        .ok_or_else(|| {
            let cure = format!("apt-get install {package}");
            ServerError::new(command, ServerErrorKind::Missing { cure })
        })
}

/// A running child in a process group of its own, its output in two files.
///
/// Dropped, it is killed with its whole group. Dropped by a panic, it shows its last lines.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    stdout: PathBuf,
    stderr: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; its output goes to `name.out` and `name.err` in `folder`.
    ///
    /// # Errors
    ///
    /// When a file cannot be made or the program cannot be started.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, ServerError> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let create = |path: &Path| {
            File::create(path).map_err(|source| ServerError::file(name, path, source))
        };
        command
            .stdin(Stdio::null())
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .process_group(0);
        let refused = |source| ServerError::new(name, ServerErrorKind::Refused(source));
        let child = command.spawn().map_err(refused)?;
        let pid =
            i32::try_from(child.id()).map_err(|error| refused(std::io::Error::other(error)))?;
        let pid = Pid::from_raw(pid);
        Ok(Self { name: name.to_owned(), child, pid, stdout, stderr, status: None })
    }

    /// Its process id, and its group's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output up to now.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it wrote to standard error up to now.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The last lines that it wrote, for an error's text.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let mut text = String::new();
        for (stream, output) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let lines: Vec<&str> = output.lines().collect();
            for line in &lines[lines.len().saturating_sub(LINES_SHOWN)..] {
                text.push_str(&format!("{} {stream}| {line}\n", self.name));
            }
        }
        text
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // The only error is that there is no such child, and ours is reaped nowhere else.
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Sends `signal` to the process, not to its group.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ServerError> {
        if self.ended().is_some() {
            return Err(ServerError::new(&self.name, ServerErrorKind::NotRunning));
        }
        kill(self.pid, signal).map_err(|errno| {
            ServerError::new(&self.name, ServerErrorKind::Refused(std::io::Error::from(errno)))
        })
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When it is still there after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, ServerError> {
        try_until_blocking("the process ends", deadline, || self.ended().ok_or("still running"))
            .map_err(|wait| {
                let said = self.last_lines();
                ServerError::new(&self.name, ServerErrorKind::TimedOut { wait, said })
            })
    }

    /// `kill -9` for the process and its group, without warning; returns when it is gone.
    pub fn kill9(&mut self) {
        if self.ended().is_some() {
            // Its id may belong to somebody else by now.
            return;
        }
        // Not reaped yet, so the group exists; and SIGKILL may be sent to one's own children.
        let sent = killpg(self.pid, Signal::SIGKILL);
        debug_assert!(sent.is_ok(), "killing the group of {}: {sent:?}", self.name);
        self.status = self.child.wait().ok();
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the program said")]
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprint!("{}", self.last_lines());
        }
    }
}

/// Output may end in the middle of a character: it is shown all the same.
fn read(path: &Path) -> String {
    fs::read(path).map_or_else(
        |error| format!("(could not be read: {error})"),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::TestFolder;
    use crate::wait::until_blocking;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(folder: &TestFolder, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("shell", command, folder.path()).unwrap()
    }

    #[test]
    fn output_and_exit_status_are_kept() {
        let folder = TestFolder::new("process").unwrap();
        let mut process = shell(&folder, "echo out; echo err >&2; exit 3");
        assert_eq!(process.wait(SOON).unwrap().code(), Some(3));
        assert_eq!((process.stdout().as_str(), process.stderr().as_str()), ("out\n", "err\n"));
        assert_eq!(process.last_lines(), "shell stdout| out\nshell stderr| err\n");
        let error = process.signal(Signal::SIGTERM).unwrap_err();
        assert_eq!(error.to_string(), "shell is not running");
    }

    #[test]
    fn dropping_kills_the_whole_group() {
        let folder = TestFolder::new("process").unwrap();
        let process = shell(&folder, "sleep 600 & echo $!; wait");
        let grandchild: i32 = until_blocking("the grandchild has an id", SOON, || {
            process.stdout().trim().parse::<i32>()
        });
        drop(process);
        until_blocking("the grandchild is gone", SOON, || {
            let status = fs::read_to_string(format!("/proc/{grandchild}/stat"));
            // Reparented, it may stay a zombie until its new parent looks.
            status.is_err() || status.is_ok_and(|stat| stat.contains(") Z"))
        });
    }

    #[test]
    fn a_process_that_goes_on_is_an_error_with_its_words() {
        let folder = TestFolder::new("process").unwrap();
        let mut process = shell(&folder, "echo busy; exec sleep 600");
        until_blocking("it has spoken", SOON, || process.stdout() == "busy\n");
        let error = process.wait(Duration::from_millis(30)).unwrap_err().to_string();
        assert!(error.contains("still running") && error.contains("busy"), "{error}");
    }

    #[test]
    fn a_missing_program_names_its_cure() {
        let error = find_program("no-such-program", "nosuch").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is missing: apt-get install nosuch");
        assert!(find_program("sh", "dash").is_ok());
    }
}
