//! What the text of one Python file says, without running it. Pure, and the only crate that links a parser.
//!
//! *Facts* ([`facts`]) say what a file imports, which tests it seems to have, and which of its code an edit has changed.
//!
//! *Capture* turns every `assert` into the statements that pytest's assertion rewriting would turn it into, but as text: the
//! changed text is compiled once, where rewriting builds, walks, changes and converts a syntax tree in Python. What the
//! two must have in common is what can be seen: which values are computed in which order, what the temporaries that
//! hold them are called, and where in the file each instruction says it is.

mod capture;
mod decode;
mod depth;
pub mod facts;
mod linetable;
mod locations;
pub mod outline;
mod plan;
mod writer;

pub use capture::{capture, Captured, Decline, Options, Outcome};
pub use locations::{Locations, Position, Range};
