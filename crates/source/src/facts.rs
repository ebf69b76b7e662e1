//! What one Python file says about itself: what it imports, which tests it seems to have, and a hash of its code.
//!
//! Everything is read from the text alone. Reading never fails: a file that cannot be parsed gives what could be read of
//! it, and its problems.

mod blocks;
mod ids;
mod marks;
mod names;
mod tokens;
mod walk;

use std::borrow::Cow;

use ruff_python_ast::PySourceType;
use ruff_python_parser::parse_unchecked_source;
use ruff_text_size::Ranged;

use crate::depth;
use crate::writer::{with_plain_line_ends, Lines};

/// Raised whenever the same text gives other facts or other hashes than before.
pub const FACTS_VERSION: u32 = 3;

/// Enough for walking and dropping the deepest tree that [`depth`] lets pass.
pub(crate) const STACK: usize = 96 << 20;
/// Positions are 32 bits wide in the tree; nobody writes such files.
pub(crate) const LONGEST: usize = 64 << 20;
/// A tree of a text shorter than this is never deeper than can be dropped on [`STACK`].
pub(crate) const DROPPABLE: usize = 64 << 10;

/// Part of a BLAKE3 hash: long enough that two texts with the same one are the same.
pub type Digest = [u8; 16];

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Facts {
    pub imports: Vec<Import>,
    pub dynamic_imports: Vec<DynamicImport>,
    /// What `pytest_plugins` of the module says.
    pub plugins: Option<Strings>,
    /// What names of the module and of its classes (not of functions) are bound to, in the order of the text.
    pub bindings: Vec<Binding>,
    /// `pytestmark` of the module.
    pub marks: Marks,
    /// `__test__` of the module.
    pub collected: Collected,
    /// Whether importing the module may end early on purpose: `pytest.skip` or `raise` outside of functions.
    pub may_skip: bool,
    /// Whether names may be bound in ways that the text does not show: `globals()`, `exec`, `setattr` outside of functions, ….
    pub dynamic_names: bool,
    /// How many assert statements there are.
    pub asserts: u32,
    /// What the file mentions anywhere.
    pub mentions: Mentions,
    /// Hash of all that is no comment and no layout.
    pub whole: Digest,
    pub problems: Vec<Problem>,
}

impl Facts {
    /// The hooks of pytest that the module defines.
    pub fn hooks(&self) -> impl Iterator<Item = &str> {
        let own = self.bindings.iter().filter(|binding| binding.scope.is_none());
        own.map(|binding| &*binding.name).filter(|name| name.starts_with("pytest_") && *name != "pytest_plugins")
    }

    /// Whether the text can be trusted to be what the facts say.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// From 1; 0 if it is the file's as a whole.
    pub line: u32,
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum ProblemKind {
    /// It cannot be parsed.
    Syntax,
    /// Deeper than what is compiled, or larger than what is read.
    Excessive,
    /// Not UTF-8 and not Latin-1.
    Encoding,
}

/// Where a statement stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Place {
    /// In the body of a function: not run by importing the module.
    pub in_function: bool,
    /// Below `if`, a loop, `with`, `match` or `try`.
    pub conditional: bool,
    /// Below `if TYPE_CHECKING`: never run.
    pub type_checking: bool,
    /// In the first part of a `try` statement that has handlers.
    pub in_try: bool,
}

/// One name of an import statement: `import module`, or `from module import name`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Import {
    /// How many packages up, as the number of leading dots says; 0 if absolute.
    pub level: u32,
    /// Empty in `from . import name`.
    pub module: Box<str>,
    /// `None` in `import module`; `*` if all.
    pub name: Option<Box<str>>,
    pub line: u32,
    pub place: Place,
}

/// A call that imports, found by the name of what is called: `import_module`, `__import__` and their like.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct DynamicImport {
    pub callee: Box<str>,
    /// `None` if it is computed.
    pub module: Option<Box<str>>,
    pub line: u32,
    pub in_function: bool,
}

/// Strings, as far as the text says them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Strings {
    pub literal: Vec<Box<str>>,
    /// There may be others.
    pub computed: bool,
}

/// What `__test__` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Collected {
    #[default]
    Unsaid,
    Yes,
    No,
    Computed,
}

#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Binding {
    pub name: Box<str>,
    /// The class it is bound in, as a place in the list of bindings; `None` is the module.
    pub scope: Option<u32>,
    /// Of the statement; of its first decorator if it has one.
    pub line: u32,
    pub conditional: bool,
    pub bound: Bound,
}

#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub enum Bound {
    Function(Function),
    Class(Class),
    /// Of something else: the number of the import, or `None` for other modules' names by `*`.
    Import(u32),
    /// The marks that are assigned to a name, to be used as decorators.
    Marks(Marks),
    Value,
    Deleted,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Function {
    pub is_async: bool,
    pub is_generator: bool,
    /// All parameters without a default, `self` included.
    pub parameters: Vec<Box<str>>,
    /// Parameters with a default: neither fixtures nor parameters to pytest, unless parametrized.
    pub defaulted: Vec<Box<str>>,
    pub decorators: Decorators,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Class {
    /// Dotted names, resolved through imports; empty for one that is computed.
    pub bases: Vec<Box<str>>,
    /// Whether there are keywords, as `metaclass=`.
    pub keywords: bool,
    pub decorators: Decorators,
    /// `pytestmark` of the class.
    pub marks: Marks,
    pub collected: Collected,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Decorators {
    pub marks: Marks,
    pub fixture: Option<Fixture>,
    /// Dotted names of all others, resolved through imports; empty for one that is computed.
    pub others: Vec<Box<str>>,
}

/// Marks in the order in which they are applied: the last decorator first.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Marks {
    pub marks: Vec<Mark>,
    /// There may be others.
    pub computed: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Mark {
    pub name: Box<str>,
    /// Of `parametrize`.
    pub parameters: Option<Parameters>,
    /// Of `usefixtures`.
    pub fixtures: Option<Strings>,
}

/// Parameter sets and their ids.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Parameters {
    /// Empty if they are computed.
    pub names: Vec<Box<str>>,
    /// As pytest makes them; `None` if they depend on more than the text.
    pub ids: Option<Vec<String>>,
    /// All names are, none are, or some (`None`).
    pub indirect: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Fixture {
    /// The name that it is asked for by, if it is not the function's.
    pub name: Option<Box<str>>,
    pub parameters: Option<Parameters>,
    /// `None` if it is computed.
    pub autouse: Option<bool>,
    /// Empty if it is computed.
    pub scope: Box<str>,
    /// Something of the above may be otherwise.
    pub computed: bool,
}

/// What code says by which an edit shows that otherwise would not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Mentions {
    /// Docstrings are read: `__doc__`, `getdoc`, `doctest`.
    pub docs: bool,
    /// Source is read: `getsource` and its like, `linecache`, `tokenize`, `inspect`.
    pub source: bool,
    /// Code objects and line numbers are looked at: `__code__`, `co_firstlineno`, `f_lineno`, ….
    pub code: bool,
}

impl Mentions {
    fn add(&mut self, other: Mentions) {
        self.docs |= other.docs;
        self.source |= other.source;
        self.code |= other.code;
    }
}

/// The facts of a file's bytes.
pub fn facts_of_bytes(content: &[u8]) -> Facts {
    match decode(content) {
        Some(text) => facts(&text),
        None => {
            Facts { problems: vec![problem(ProblemKind::Encoding, 0, "neither UTF-8 nor Latin-1")], ..Facts::default() }
        }
    }
}

/// As Python's compiler decodes it: by its byte order mark or the comment in one of the first two lines. `None` if that is an encoding that
/// we do not know, or not what the bytes are in.
fn decode(content: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(behind) = content.strip_prefix(b"\xef\xbb\xbf") {
        return std::str::from_utf8(behind).ok().map(Cow::Borrowed);
    }
    match cookie(content) {
        None => std::str::from_utf8(content).ok().map(Cow::Borrowed),
        Some(name) => {
            let name = name.to_ascii_lowercase().replace('_', "-");
            match name.as_str() {
                "utf-8" | "utf8" | "u8" | "utf-8-unix" | "utf-8-sig" => {
                    std::str::from_utf8(content).ok().map(Cow::Borrowed)
                }
                "ascii" | "us-ascii" => {
                    std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed)
                }
                "latin-1" | "latin1" | "iso-8859-1" | "l1" => {
                    Some(content.iter().map(|&byte| char::from(byte)).collect())
                }
                _ => None,
            }
        }
    }
}

/// The name in a comment as `# -*- coding: NAME -*-`, in one of the first two lines.
fn cookie(content: &[u8]) -> Option<&str> {
    for line in content.splitn(3, |&byte| byte == b'\n').take(2) {
        let words = line.trim_ascii_start();
        if words.is_empty() {
            continue;
        }
        let comment = words.strip_prefix(b"#")?;
        let found = comment.windows(6).position(|six| six == b"coding").map(|at| &comment[at + 6..]);
        if let Some([b':' | b'=', name @ ..]) = found {
            let name = name.trim_ascii_start();
            let end = name.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
            let name = &name[..end.unwrap_or(name.len())];
            if !name.is_empty() {
                return std::str::from_utf8(name).ok();
            }
        }
    }
    None
}

/// The facts of a module's text, which is without a byte order mark.
pub fn facts(text: &str) -> Facts {
    if text.len() > LONGEST {
        return excessive();
    }
    let text = with_plain_line_ends(text);
    // A thread that has such a stack already needs no other.
    stacker::maybe_grow(STACK, STACK + (1 << 20), || facts_parsed(&text))
}

fn excessive() -> Facts {
    Facts { problems: vec![problem(ProblemKind::Excessive, 0, "too large or too deep")], ..Facts::default() }
}

fn problem(kind: ProblemKind, line: u32, words: &str) -> Problem {
    Problem { kind, line, words: words.to_owned() }
}

fn facts_parsed(text: &str) -> Facts {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    if depth::is_excessive(parsed.tokens().iter().map(|token| token.kind())) {
        if text.len() > DROPPABLE {
            // Dropping it would recurse as deep as it is.
            std::mem::forget(parsed);
        }
        return excessive();
    }
    let lines = Lines::of(text);
    let mut walk = walk::Walk::new(text, &lines, parsed.suite());
    walk.module();
    let walk::Found { mut facts, spans, docs } = walk.found;
    tokens::look(text, parsed.tokens(), &lines, &spans, &docs, &mut facts);
    for error in parsed.errors().iter().take(20) {
        let line = lines.position(error.range().start()).line;
        facts.problems.push(problem(ProblemKind::Syntax, line, &error.error.to_string()));
    }
    if text.contains('\0') {
        facts.problems.push(problem(ProblemKind::Syntax, 0, "null bytes"));
    }
    facts
}

#[cfg(test)]
mod tests;
