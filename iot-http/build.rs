//! Puts the web page into the crate when its feature is on: a packaged `page/`, or one build of
//! `frontend/`, or a notice that says in one sentence why there is none. It never fails the build.

#[path = "build/embed.rs"]
mod embed;
#[path = "build/frontend.rs"]
mod frontend;

use std::env;
use std::path::{Path, PathBuf};

/// What became of the page.
enum Page {
    /// Its files lie here.
    In(PathBuf),
    /// There is none, and why.
    None(String),
}

fn main() {
    tell("rerun-if-changed=build.rs");
    tell("rerun-if-changed=build");
    if env::var_os("CARGO_FEATURE_PAGE").is_none() {
        return;
    }
    tell("rerun-if-env-changed=IOT_PAGE");
    let (Some(own), Some(out)) = (env::var_os("CARGO_MANIFEST_DIR"), env::var_os("OUT_DIR")) else {
        return;
    };
    let (own, out) = (PathBuf::from(own), PathBuf::from(out));
    let page = find(&own);
    let (folder, why) = match &page {
        Page::In(folder) => (Some(folder.as_path()), ""),
        Page::None(why) => {
            tell(&format!("warning=the web page is left out: {why}"));
            (None, why.as_str())
        }
    };
    if let Err(error) = embed::write(folder, why, &out) {
        tell(&format!("warning=the web page is left out: its files cannot be read: {error}"));
        // Without a page the list is empty; that can only fail where nothing could be built at all.
        if let Err(error) = embed::write(None, "its files could not be read", &out) {
            tell(&format!("warning=nothing can be written to {}: {error}", out.display()));
        }
    }
}

fn find(own: &Path) -> Page {
    let packaged = own.join("page");
    if packaged.join("index.html").is_file() {
        // Told only where it is there: a path that is missing counts as changed at every build.
        tell(&format!("rerun-if-changed={}", packaged.display()));
        return Page::In(packaged);
    }
    let frontend = own.join("../frontend");
    if !frontend.join("package.json").is_file() {
        return Page::None("this source has no frontend/".to_owned());
    }
    for path in frontend::sources(&frontend) {
        tell(&format!("rerun-if-changed={}", path.display()));
    }
    if env::var("IOT_PAGE").is_ok_and(|wish| wish == "off") {
        return Page::None("IOT_PAGE=off".to_owned());
    }
    match frontend::build(&frontend) {
        Ok(dist) => Page::In(dist),
        Err(why) => Page::None(why),
    }
}

fn tell(text: &str) {
    println!("cargo::{text}");
}
