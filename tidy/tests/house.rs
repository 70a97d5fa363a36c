//! The real tree, held to each rule.
#![cfg(test)]

use tidy::{Package, Tree, decisions, edges, heads, locales, manifests, names, todos};

fn tree() -> Tree {
    Tree::of_this_repository().unwrap()
}

fn packages(tree: &Tree) -> Vec<Package> {
    tidy::packages(tree.root()).unwrap()
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_crate_depends_sideways() {
    none(edges::sideways(&packages(&tree())));
}

#[test]
fn heavy_dependencies_stay_at_home() {
    none(edges::strays(&packages(&tree())));
}

#[test]
fn lints_and_versions_stand_once() {
    let tree = tree();
    let mut faults = Vec::new();
    for package in packages(&tree) {
        let path = format!("{}/Cargo.toml", package.name);
        let manifest = tree.text(&path).unwrap();
        faults.extend(manifests::own_lints(&path, &manifest));
        faults.extend(manifests::own_versions(&path, &manifest));
    }
    none(faults);
}

#[test]
fn banned_packages_are_not_locked() {
    none(manifests::banned(&tree().text("Cargo.lock").unwrap()));
}

#[test]
fn every_lib_introduces_its_crate() {
    let tree = tree();
    let libs: Vec<String> =
        packages(&tree).iter().map(|package| format!("{}/src/lib.rs", package.name)).collect();
    let texts = tree.texts(&["/src/lib.rs"]).unwrap();
    let ours = texts.iter().filter(|(path, _)| libs.contains(path));
    none(ours.flat_map(|(path, text)| heads::lib(path, text)).collect());
}

#[test]
fn every_station_declares_its_queue() {
    let texts = tree().texts(&[".rs"]).unwrap();
    none(texts.iter().filter_map(|(path, text)| heads::station(path, text)).collect());
}

#[test]
fn names_say_what_they_hold() {
    let tree = tree();
    let mut faults: Vec<String> = tree.paths().flat_map(names::in_path).collect();
    for (path, text) in tree.texts(&[".rs"]).unwrap() {
        faults.extend(names::in_rust(&path, &text));
    }
    none(faults);
}

#[test]
fn whatever_is_left_to_do_has_an_issue() {
    let texts = tree().texts(&todos::ENDINGS).unwrap();
    none(texts.iter().flat_map(|(path, text)| todos::without_issue(path, text)).collect());
}

#[test]
fn decisions_are_numbered_and_whole() {
    let tree = tree();
    let names: Vec<&str> =
        tree.paths().filter_map(|path| path.strip_prefix("decisions/")).collect();
    assert!(!names.is_empty(), "there are decisions");
    let mut faults = decisions::numbering(&names);
    for name in names {
        let text = tree.text(&format!("decisions/{name}")).unwrap();
        faults.extend(decisions::lacks(name, &text));
    }
    none(faults);
}

#[test]
fn the_page_says_the_same_in_every_language() {
    let tree = tree();
    let locale = |name: &str| -> serde_json::Value {
        serde_json::from_str(&tree.text(&format!("frontend/src/locales/{name}")).unwrap()).unwrap()
    };
    let (en, ru) = (locale("en.json"), locale("ru.json"));
    none(locales::differences(("en.json", &en), ("ru.json", &ru)));
}
