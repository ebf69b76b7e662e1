//! Facts of every Python file of a project, kept in one mapped file, and the tests that they tell of.
//!
//! [`project::Project`] is the way in: it walks the project, reads what has changed, and gives the tests. Nothing is ever imported, and
//! no damaged, foreign or old file is believed: it is made anew.

pub mod checksum;
pub mod collected;
pub mod correct;
pub mod environment;
pub mod expression;
pub mod format;
pub mod options;
pub mod project;
pub mod resolve;
pub mod rows;
pub mod settings;
pub mod stamp;
mod threads;
pub mod walk;
mod words;

pub use project::{Project, Request};
