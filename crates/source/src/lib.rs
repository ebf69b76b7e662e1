//! What the text of one Python file says, without running it. Pure, and the only crate that links a parser.
//!
//! *Capture* turns every `assert` into the statements that pytest's assertion rewriting would turn it into, but as text: the
//! changed text is compiled once, where rewriting builds, walks, changes and converts a syntax tree in Python. What the
//! two must have in common is what can be seen: which values are computed in which order, what the temporaries that
//! hold them are called, and where in the file each instruction says it is.

mod capture;
mod depth;
mod linetable;
mod locations;
mod plan;
mod writer;

pub use capture::{capture, Captured, Decline, Options, Outcome};
pub use locations::{Locations, Position, Range};
