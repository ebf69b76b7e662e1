//! What selecting tests needs to know of one Python file's text: what it mentions, what each of its parts is as a hash, which of its
//! functions keep something, and what loading it leaves in others.
//!
//! The parser's tree is copied into one whose nodes are those of Python's own `ast` module, in the order of their fields ([`tree`]): what is read from
//! it then is what walking `ast`'s nodes would give, and the hashes differ exactly where `ast.dump` would.

mod build;
mod digest;
mod expressions;
mod giving;
mod integers;
mod keeping;
mod mentions;
mod places;
mod reader;
mod registers;
mod strings;
mod touching;
mod tree;

use ruff_python_ast::{PySourceType, PythonVersion};
use ruff_python_parser::{parse_unchecked, LexicalErrorType, ParseErrorType, ParseOptions, Parsed};
use ruff_text_size::Ranged;

use crate::decode::{decode, Decoded};
use crate::depth;
use crate::facts::{DROPPABLE, LONGEST, STACK};
use crate::writer::with_plain_line_ends;

pub use digest::Body;
pub use giving::{Call, Gives, Root};
pub use keeping::Kept;
pub use touching::{How, Statement, Touches};

/// Part of a BLAKE3 hash.
pub type Digest = [u8; 16];

/// An import: its level, the module's name, and the names that are taken from it (`*` for all; none for a plain import).
pub type Import = (u32, String, Vec<String>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// At any depth, in the order of the text, each once.
    pub imports: Vec<Import>,
    /// Dotted names in strings and expressions that may be modules, or be within them; sorted.
    pub names: Vec<String>,
    /// Whether modules may be imported, or looked up, whose names are not in the text.
    pub dynamic: bool,
    /// Of everything but the bodies of functions, and what only those can tell of their parameters who use them; with their docstrings, and with what kind of
    /// functions they are.
    pub level: Digest,
    /// Of each function's body, without those of functions within it; sorted by their names.
    pub bodies: Vec<Body>,
    /// Qualified names of functions that may keep what they find; sorted.
    pub keepers: Vec<String>,
    /// Those of them that keep it in the object alone that they are methods of.
    pub in_object: Vec<String>,
    /// Names of what is handed to others that may keep what it gives; sorted.
    pub handed: Vec<String>,
    /// What each function may have kept by others, by its name.
    pub gives: Vec<Gives>,
    /// Classes that derive from others, with the last names of these; sorted.
    pub derived: Vec<(String, Vec<String>)>,
    /// Into what each function puts something, by its name (see `places`); both sorted.
    pub places: Vec<(String, Vec<String>)>,
    /// The names of what each function, and the module itself (`""`), hands on.
    pub handing: Vec<(String, Vec<String>)>,
    /// What is taken from classes (see `keeping::taken`); sorted.
    pub taken: Vec<String>,
    /// Imports that are done whenever the module is loaded.
    pub loads: Vec<Import>,
    /// What loading the module does to others.
    pub touches: Touches,
    /// The functions in which modules are imported, or looked up, by names that are not in the text (`""`: perhaps anywhere), and which functions
    /// they call for that (`""`: known ones). Without those that do so by executing a text. Sorted.
    pub dynamic_in: Vec<(String, Vec<String>)>,
}

/// What comes of reading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    Outline(Box<Outline>),
    /// It cannot be loaded as a module. (Not every such file is noticed: what is told of one that cannot be loaded harms nobody.)
    NoPython,
    /// Its encoding has this name, and is not known here.
    Encoded(&'a str),
}

/// The outline of a file's bytes.
///
/// *minor*: of the version of Python 3 that would load it.
pub fn outline_of_bytes(content: &[u8], minor: u8) -> Reading<'_> {
    match decode(content) {
        Decoded::Text(text) => read(&text, &[], minor),
        Decoded::Lossy(text, places) => read(&text, &places, minor),
        Decoded::Other(name) => Reading::Encoded(name),
        Decoded::Wrong => Reading::NoPython,
    }
}

/// The outline of a text that was decoded by somebody else.
pub fn outline_of_text(text: &str, minor: u8) -> Reading<'static> {
    read(text, &[], minor)
}

fn read(text: &str, lossy: &[usize], minor: u8) -> Reading<'static> {
    if text.len() > LONGEST || text.contains('\0') {
        return Reading::NoPython;
    }
    // Places would move with the line ends; those of a text that has both are looked at as they are.
    let plain = if lossy.is_empty() { with_plain_line_ends(text) } else { text.into() };
    // A thread that has such a stack already needs no other.
    let outline = stacker::maybe_grow(STACK, STACK + (1 << 20), || outline_parsed(&plain, lossy, minor));
    outline.map_or(Reading::NoPython, |outline| Reading::Outline(Box::new(outline)))
}

fn outline_parsed(text: &str, lossy: &[usize], minor: u8) -> Option<Outline> {
    let options = ParseOptions::from(PySourceType::Python).with_target_version(PythonVersion { major: 3, minor });
    let parsed = parse_unchecked(text, options).try_into_module()?;
    if depth::is_excessive(parsed.tokens().iter().map(|token| token.kind())) {
        if text.len() > DROPPABLE {
            // Dropping it would recurse as deep as it is.
            std::mem::forget(parsed);
        }
        return None;
    }
    if !is_python(text, &parsed) || !only_in_comments(&parsed, lossy) {
        return None;
    }
    let tree = build::build(text, parsed.suite(), minor);
    let mentions::Mentions { imports, names, dynamic, dynamic_in } = mentions::mentions(&tree);
    let (level, bodies) = digest::level_and_bodies(&tree);
    let own = keeping::own_parts(&tree);
    let (keepers, in_object) = keeping::keepers(&tree, &own);
    let names_of = places::own_names(&tree);
    Some(Outline {
        imports,
        names,
        dynamic,
        level,
        bodies,
        keepers,
        in_object,
        handed: keeping::handed(&tree),
        gives: giving::gives(&tree, &own),
        derived: giving::derived(&tree),
        places: places::places(&tree, &names_of),
        handing: places::handing(&tree, &names_of),
        taken: keeping::taken(&tree),
        loads: mentions::certain_imports(&tree),
        touches: touching::touches(&tree),
        dynamic_in,
    })
}

fn is_python<T>(text: &str, parsed: &Parsed<T>) -> bool {
    parsed.unsupported_syntax_errors().is_empty()
        && parsed.errors().iter().all(|error| match error.error {
            // Which names there are depends on the version of Unicode.
            ParseErrorType::Lexical(LexicalErrorType::UnicodeError) => {
                text.get(..error.location.start().into()).is_some_and(|before| before.ends_with("\\N{"))
            }
            _ => false,
        })
}

/// Whether each of the *places* lies in a comment.
fn only_in_comments<T>(parsed: &Parsed<T>, places: &[usize]) -> bool {
    let mut comments = parsed.tokens().iter().filter(|token| token.kind().is_comment()).map(Ranged::range).peekable();
    places.iter().all(|&place| {
        while comments.next_if(|range| usize::from(range.end()) <= place).is_some() {}
        comments.peek().is_some_and(|range| usize::from(range.start()) <= place)
    })
}

#[cfg(test)]
mod tests;
