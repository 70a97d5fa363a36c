//! Writes `page.rs`: a sorted list of the page's files, each with its tag and its bytes.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// Copies a folder's files into `out` and lists them; without a folder the list is empty.
pub(crate) fn write(folder: Option<&Path>, why: &str, out: &Path) -> io::Result<()> {
    let copies = out.join("page");
    match fs::remove_dir_all(&copies) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&copies)?,
    }
    let mut names = Vec::new();
    if let Some(folder) = folder {
        collect(folder, folder, &mut names)?;
    }
    names.sort();
    let mut list = String::from("pub(super) const FILES: &[File] = &[\n");
    for (n, name) in names.iter().enumerate() {
        let Some(folder) = folder else { break };
        // A copy, so that a build of the page that begins meanwhile changes nothing here.
        let content = fs::read(folder.join(name))?;
        let copy = copies.join(n.to_string());
        fs::write(&copy, &content)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&content);
        let (tag, copy) = (format!("\"{:016x}\"", hasher.finish()), copy.display().to_string());
        let written = writeln!(
            list,
            "    File {{ path: {name:?}, tag: {tag:?}, content: include_bytes!({copy:?}) }},"
        );
        written.map_err(io::Error::other)?;
    }
    list.push_str("];\n");
    let sentence = if folder.is_some() {
        String::new()
    } else {
        format!("The web page is not part of this build: {why}.")
    };
    list.push_str(&format!("pub(super) const WHY: &str = {sentence:?};\n"));
    fs::write(out.join("page.rs"), list)
}

fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) -> io::Result<()> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.push(entry?.path());
    }
    for path in found {
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, names)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    Ok(())
}
