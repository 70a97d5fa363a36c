//! One run of the program to its end.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use iot_testkit::servers::{Process, TestFolder};

/// No command of these tests takes long; the machine may be busy.
const WITHIN: Duration = Duration::from_secs(60);

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The one sentence of a failure.
    #[track_caller]
    pub(crate) fn sentence(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let mut lines = self.err.lines().filter(|line| !line.starts_with('{'));
        let sentence = lines.next().unwrap_or_else(|| panic!("nothing was said: {self:?}"));
        assert_eq!(lines.next(), None, "one sentence, not more: {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        sentence.strip_prefix("iot-server: ").unwrap()
    }

    /// What was printed by a run that went well.
    #[track_caller]
    pub(crate) fn printed(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out.trim_end()
    }
}

/// Runs the program in a folder until it ends.
pub(crate) fn run(folder: &Path, args: &[impl AsRef<OsStr>]) -> Said {
    run_with(folder, args, &[])
}

/// Runs the program with variables.
pub(crate) fn run_with(
    folder: &Path,
    args: &[impl AsRef<OsStr>],
    variables: &[(&str, &str)],
) -> Said {
    finish(folder, Command::new(crate::SERVER), args, variables)
}

/// Runs a command that starts the program, without the variables of the test run.
pub(crate) fn finish(
    folder: &Path,
    mut command: Command,
    args: &[impl AsRef<OsStr>],
    variables: &[(&str, &str)],
) -> Said {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("IOT_")) {
            command.env_remove(name);
        }
    }
    let output = TestFolder::new("said").unwrap();
    command.current_dir(folder).args(args).envs(variables.iter().copied());
    let mut process = Process::start("iot-server", command, output.path()).unwrap();
    let status = process.wait(WITHIN).unwrap();
    Said { code: status.code(), out: process.stdout(), err: process.stderr() }
}
