//! Steps with names and times: announced as they begin, timed as they end, listed at the close.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How a command of this program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Failed,
    ProgramsMissing,
}

/// One step of a run.
pub(crate) struct Step<'a> {
    name: &'static str,
    work: Box<dyn FnOnce() -> Result<()> + 'a>,
}

impl<'a> Step<'a> {
    /// A step that does `work`.
    pub(crate) fn new(name: &'static str, work: impl FnOnce() -> Result<()> + 'a) -> Self {
        Self { name, work: Box::new(work) }
    }

    /// A step that runs one command.
    pub(crate) fn command(name: &'static str, command: Command) -> Self {
        Self::new(name, move || run_command(command))
    }
}

/// Runs the steps in order up to the first that fails, and prints what each took.
pub(crate) fn run(steps: Vec<Step<'_>>) -> Ending {
    let mut rows = Vec::with_capacity(steps.len());
    let mut failure = None;
    for step in steps {
        if failure.is_some() {
            rows.push((step.name, None));
            continue;
        }
        println!("==> {}", step.name);
        let start = Instant::now();
        let result = (step.work)();
        let took = start.elapsed();
        println!("<== {}: {}", step.name, words(took));
        rows.push((step.name, Some((took, result.is_ok()))));
        if let Err(error) = result {
            failure = Some((step.name, error));
        }
    }
    print!("\n{}", table(&rows));
    match failure {
        None => Ending::Done,
        Some((name, error)) => {
            eprintln!("\nxtask: {name} failed: {error:#}");
            Ending::Failed
        }
    }
}

/// Runs `command` with this program's own terminal; an exit status other than 0 is an error.
pub(crate) fn run_command(mut command: Command) -> Result<()> {
    let line = line(&command);
    println!("    {line}");
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let mut line = program.rsplit('/').next().unwrap_or(&program).to_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

type Row = (&'static str, Option<(Duration, bool)>);

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut total = Duration::ZERO;
    for (name, ended) in rows {
        let (time, outcome) = match ended {
            Some((took, true)) => (words(*took), "done"),
            Some((took, false)) => (words(*took), "FAILED"),
            None => ("-".to_owned(), "not run"),
        };
        total += ended.map_or(Duration::ZERO, |(took, _)| took);
        text.push_str(&format!("{name:width$}  {time:>12}  {outcome}\n"));
    }
    text.push_str(&format!("{:width$}  {:>12}\n", "in all", words(total)));
    text
}

/// A duration for people.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 10 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_after_a_failure() {
        let mut ran = Vec::new();
        let ran_cell = std::cell::RefCell::new(&mut ran);
        let note = |name: &'static str| ran_cell.borrow_mut().push(name);
        let ending = run(vec![
            Step::new("one", || {
                note("one");
                Ok(())
            }),
            Step::new("two", || {
                note("two");
                bail!("on purpose")
            }),
            Step::new("three", || {
                note("three");
                Ok(())
            }),
        ]);
        assert_eq!(ending, Ending::Failed);
        assert_eq!(ran, ["one", "two"]);
    }

    #[test]
    fn a_command_that_fails_names_itself() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let error = run_command(command).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
    }

    #[test]
    fn the_table_shows_every_step() {
        let text = table(&[
            ("programs", Some((Duration::from_millis(120), true))),
            ("tests", Some((Duration::from_secs(192), false))),
            ("doc tests", None),
        ]);
        assert_eq!(
            text,
            "programs          0.1 s  done\n\
             tests        3 min 12 s  FAILED\n\
             doc tests             -  not run\n\
             in all       3 min 12 s\n"
        );
    }
}
