//! One SQLite file: the log as rows of readings packed as JSON text, the history computed from
//! them, and the registry in plain tables.
//!
//! A commit is one row of the open segment's table `log_N`, so that a lone reading costs one page of
//! the write-ahead log; nothing else is touched by it. A segment closes when it is full and the next
//! one opens with a table of its own, which can later be dropped whole. Everything is written through
//! one connection in transactions of one round trip each; everything is read through others, in
//! short statements, so that no reader holds the write-ahead log for long.
//!
//! | file | what |
//! | --- | --- |
//! | `open` `address` `folder` `lock` `reserve` `migrate` `connect` | from an address to an open file |
//! | `statement` | the one place where SQL is put together at run time |
//! | `encode` `decode` `row` | the form of a log row |
//! | `writer` `known` `change` `removal` `corrected` `segment` `views` `latest` | one commit |
//! | `checkpoint` | brings the write-ahead log home |
//! | `log` `scan` `history` `window` `fold` `registry` `rows` | reading |
//! | `keeper` | room on disk, and the end |

mod address;
mod change;
mod checkpoint;
#[cfg(test)]
mod codec_tests;
mod connect;
mod corrected;
mod decode;
mod encode;
mod error;
mod fold;
mod folder;
mod history;
mod keeper;
mod known;
mod latest;
mod lock;
mod log;
mod migrate;
mod open;
mod registry;
mod removal;
mod reserve;
mod row;
mod rows;
mod scan;
mod segment;
mod shared;
mod statement;
mod views;
mod window;
mod writer;

pub use open::{open, open_with};
pub use segment::Limits;

iot_core::register_store!("sqlite", open);
