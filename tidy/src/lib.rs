//! The house rules as plain tests: no tool to install, and no rule that lives in prose alone.
//!
//! Each rule is a function from what stands in the tree to a list of faults, with tests that plant a
//! mistake; `tests/house.rs` holds the real tree to all of them. It judges names, edges and heads,
//! never behaviour, and it knows no crate of ours.
//!
//! | module | rule |
//! | --- | --- |
//! | [`edges`] | who may depend on whom, and where the heavy dependencies live |
//! | [`manifests`] | lints and versions stand once; what may not be in the lock file |
//! | [`heads`] | how each `lib.rs` begins and how long it is; what a queue declares |
//! | [`names`] | no room for odds and ends |
//! | [`todos`] | whatever is left to do has an issue |
//! | [`decisions`] | numbered without gaps, dated |
//! | [`locales`] | the page says the same in every language |

pub mod decisions;
pub mod edges;
pub mod heads;
pub mod locales;
pub mod manifests;
pub mod names;
mod packages;
pub mod todos;
mod tree;

pub use packages::{Dependency, DependencyKind, Package, packages};
pub use tree::Tree;
