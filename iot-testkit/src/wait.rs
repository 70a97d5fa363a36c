//! Waiting for a state, with a deadline, saying what was last seen.
//!
//! A test never sleeps and hopes: it looks until it sees what it waits for, and where that does not
//! come it fails with the last thing it saw. This file holds the only pauses between looks.
//!
//! ```
//! # use std::time::Duration;
//! # use iot_testkit::wait::until;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut rows = 0;
//! let seen = until("three rows are stored", Duration::from_secs(5), async || {
//!     rows += 1; // a real look would ask the store
//!     if rows >= 3 { Ok(rows) } else { Err(format!("{rows} rows")) }
//! })
//! .await;
//! assert_eq!(seen, 3);
//! # }
//! ```

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// The first pause between two looks; each is twice the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// Short enough that a wait ends soon after its state has come.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What one look at the world brought: what was waited for, or a word on what was seen instead.
///
/// A `Result` says what it saw by its error; an `Option` and a `bool` can only say "not yet".
pub trait Look {
    /// What was waited for.
    type Found;

    /// Takes the look apart.
    ///
    /// # Errors
    ///
    /// What was seen instead.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T, E: Display> Look for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".to_owned())
    }
}

impl Look for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not yet".to_owned()) }
    }
}

/// A state that did not come before its deadline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {waited:?} until {what}; last seen: {last_seen}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// The deadline that passed.
    pub waited: Duration,
    /// What the last look that came back saw.
    pub last_seen: String,
}

impl TimedOut {
    fn new(what: &str, waited: Duration, last_seen: Option<String>) -> Self {
        let last_seen =
            last_seen.unwrap_or_else(|| "nothing, the first look did not end".to_owned());
        Self { what: what.to_owned(), waited, last_seen }
    }
}

/// Looks until `look` finds what it looks for.
///
/// Time is tokio's, so that a test on a paused clock waits for its own time.
///
/// # Panics
///
/// When `deadline` passes, naming the caller, what was waited for and what was last seen.
#[track_caller]
pub fn until<L: Look>(
    what: &str,
    deadline: Duration,
    look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Found> {
    let caller = Location::caller();
    async move {
        match try_until(what, deadline, look).await {
            Ok(found) => found,
            Err(error) => panic!("{caller}: {error}"),
        }
    }
}

/// [`until`] for those who go on after a deadline.
///
/// # Errors
///
/// When `deadline` passes.
pub async fn try_until<L: Look>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> L,
) -> Result<L::Found, TimedOut> {
    let end = tokio::time::Instant::now() + deadline;
    let mut last_seen = None;
    let mut pause = FIRST_PAUSE;
    loop {
        match tokio::time::timeout_at(end, look()).await.map(Look::found) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last_seen = Some(seen),
            Err(_) => return Err(TimedOut::new(what, deadline, last_seen)),
        }
        if tokio::time::Instant::now() + pause > end {
            return Err(TimedOut::new(what, deadline, last_seen));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// [`until`] for a test without a runtime.
///
/// A look that never returns cannot be cut short here: give it a time limit of its own.
///
/// # Panics
///
/// When `deadline` passes, naming what was waited for and what was last seen.
#[track_caller]
pub fn until_blocking<L: Look>(
    what: &str,
    deadline: Duration,
    look: impl FnMut() -> L,
) -> L::Found {
    match try_until_blocking(what, deadline, look) {
        Ok(found) => found,
        Err(error) => panic!("{error}"),
    }
}

/// [`until_blocking`] for those who go on after a deadline.
///
/// # Errors
///
/// When `deadline` passes.
pub fn try_until_blocking<L: Look>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> L,
) -> Result<L::Found, TimedOut> {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    loop {
        let last_seen = match look().found() {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        if Instant::now() + pause > end {
            return Err(TimedOut::new(what, deadline, Some(last_seen)));
        }
        rest(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one pause between two looks without a runtime")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_comes_in_time_is_handed_over() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            (looks == 3).then_some(looks)
        })
        .await;
        assert_eq!(found, 3);
        assert_eq!(until_blocking("at once", Duration::ZERO, || Ok::<_, String>(7)), 7);
    }

    #[tokio::test]
    async fn a_deadline_says_what_was_last_seen() {
        let mut rows = 0;
        let look = async || {
            rows += 1;
            Err::<(), _>(format!("{rows} rows"))
        };
        let error = try_until("a hundred rows", SHORT, look).await.unwrap_err();
        assert!(rows > 1, "it looked more than once");
        assert_eq!(
            error.to_string(),
            format!("waited 20ms until a hundred rows; last seen: {rows} rows")
        );
        let error = try_until_blocking("never", SHORT, || false).unwrap_err();
        assert_eq!(error.last_seen, "not yet");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_short() {
        let error = try_until("the end of time", SHORT, std::future::pending::<bool>).await;
        assert!(error.unwrap_err().last_seen.contains("did not end"));
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs")]
    async fn a_panic_names_the_caller() {
        until("never", SHORT, async || false).await;
    }
}
