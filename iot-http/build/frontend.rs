//! One build of the page, shared by all profiles: it is kept in `frontend/dist` beside a hash of what
//! it was made from, and made again when that changes. Only one build runs at a time.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Files and folders that the page is made from.
const MADE_FROM: [&str; 7] = [
    "src",
    "public",
    "build",
    "index.html",
    "package-lock.json",
    "vite.config.ts",
    "tsconfig.json",
];
/// Lines of npm's own words that are passed on when it fails.
const WORDS: usize = 6;

/// What the page is made from, as far as it is there.
pub(crate) fn sources(frontend: &Path) -> Vec<PathBuf> {
    let all = MADE_FROM.iter().chain(["package.json"].iter()).map(|name| frontend.join(name));
    all.filter(|path| path.exists()).collect()
}

/// Gives the folder with the built page, building it where it is not there or out of date.
pub(crate) fn build(frontend: &Path) -> Result<PathBuf, String> {
    let dist = frontend.join("dist");
    let kept = dist.join(".hash");
    let work = frontend.join(".build");
    fs::create_dir_all(&work).map_err(|e| format!("{} cannot be made: {e}", work.display()))?;
    let lock =
        File::create(work.join("lock")).map_err(|e| format!("no lock could be made: {e}"))?;
    lock.lock().map_err(|e| format!("another build of the page could not be waited for: {e}"))?;
    let hash = hash(frontend).map_err(|e| format!("its sources cannot be read: {e}"))?;
    let is_there = dist.join("index.html").is_file();
    if is_there && fs::read_to_string(&kept).is_ok_and(|old| old == hash) {
        return Ok(dist);
    }
    node()?;
    if needs_install(frontend) {
        super::tell("warning=installing what the web page is built with (npm ci), once");
        npm(frontend, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(frontend, &["run", "build"])?;
    if !dist.join("index.html").is_file() {
        return Err("npm run build made no dist/index.html".to_owned());
    }
    let written = File::create(&kept).and_then(|mut file| file.write_all(hash.as_bytes()));
    written.map_err(|e| format!("{} cannot be written: {e}", kept.display()))?;
    Ok(dist)
}

fn hash(frontend: &Path) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for path in sources(frontend) {
        add(frontend, &path, &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(root: &Path, path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    hasher.write(name.as_bytes());
    if !path.is_dir() {
        let content = fs::read(path)?;
        hasher.write_usize(content.len());
        hasher.write(&content);
        return Ok(());
    }
    let mut inside: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    inside.sort();
    inside.iter().try_for_each(|one| add(root, one, hasher))
}

/// Whether a Node.js is there that can build the page.
fn node() -> Result<(), String> {
    let wanted = "Node.js 20.19 or later of 20, or 22.12 or later, is needed to build it";
    let output = Command::new("node").arg("--version").output();
    let output = output.map_err(|_| format!("{wanted}, and there is no `node`"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers =
        text.trim_start_matches('v').split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let fits = (version.0 == 20 && version.1 >= 19) || version >= (22, 12);
    if fits { Ok(()) } else { Err(format!("{wanted}, and this is {text}")) }
}

/// Whether what is installed is missing, or older than what the lock file asks for.
fn needs_install(frontend: &Path) -> bool {
    let changed = |path: PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
    let installed: Option<SystemTime> = changed(frontend.join("node_modules/.package-lock.json"));
    match (installed, changed(frontend.join("package-lock.json"))) {
        (Some(installed), Some(lock)) => installed < lock,
        (installed, _) => installed.is_none(),
    }
}

fn npm(frontend: &Path, arguments: &[&str]) -> Result<(), String> {
    let said = format!("npm {}", arguments.join(" "));
    let mut run = Command::new("npm");
    run.args(arguments).current_dir(frontend).env("NO_COLOR", "1");
    let output = run.output().map_err(|e| format!("{said} cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(format!("{said} failed: {}", reason(&plain(&words))))
}

/// Text without a terminal's colours, which some tools give whatever they are told.
fn plain(words: &str) -> String {
    let mut parts = words.split('\u{1b}');
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// What went wrong: from the first line that speaks of an error, without the way there.
fn reason(words: &str) -> String {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().skip_while(|line| !line.to_lowercase().contains("error"));
    let told: Vec<&str> = told.filter(|line| !line.starts_with("at ")).take(WORDS).collect();
    if told.is_empty() {
        lines().next_back().unwrap_or("it said nothing").to_owned()
    } else {
        told.join(" | ")
    }
}
