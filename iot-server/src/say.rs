//! What the program says to people and scripts, beside its log. A closed pipe is no error: whoever
//! does not read does not want to know.

use std::fmt::Display;
use std::io::Write as _;

/// A line on standard output: what was asked for.
pub(crate) fn out(line: impl Display) {
    let mut out = std::io::stdout().lock();
    // Nobody reads: nothing is left to be told.
    let _closed = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line on standard error: why it did not work.
pub(crate) fn err(line: impl Display) {
    let _closed = writeln!(std::io::stderr().lock(), "iot-server: {line}");
}
