//! Makes cargo look again when a migration is added, for they are embedded by a macro.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
