//! Hashes of parts of the tree. They say what `ast.dump` says: kinds, fields and values, and nothing of places, so that two are equal if and only if
//! the dumps are.

use std::collections::BTreeMap;

use super::tree::{Field, Id, Kind, Tree, Value};
use super::Digest;

/// What a function means to who calls it, and to who only looks at how it may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The name that its code has.
    pub qualname: String,
    /// Of its parameters and statements.
    pub whole: Digest,
    /// Of its parameters alone.
    pub signature: Digest,
}

/// The hash of what everybody sees of a module, and those of its functions, by their names.
///
/// Who executes a function, calls it in vain or looks at its code can tell what its parameters are called and which constants they have by default; nobody
/// else can. Of functions that give a generator or a coroutine, which is executed later or never, everybody who has called them can.
pub(super) fn level_and_bodies(tree: &Tree) -> (Digest, Vec<Body>) {
    let mut bodies: BTreeMap<&str, (Digest, Digest)> = BTreeMap::new();
    let mut writer = Writer::new(tree, What::Outside);
    for function in &tree.functions {
        writer.write(function.id + 1);
        let signature = writer.finish();
        writer.bytes.extend(signature);
        for statement in tree.children_in(function.id, Field::Body) {
            writer.write(statement);
        }
        let whole = writer.finish();
        // Functions of one name, as those of a property, are one to whoever only knows their names.
        let both = |known: Digest, own: Digest| cut(blake3::hash(&[known, own].concat()));
        bodies
            .entry(&function.qualname)
            .and_modify(|known| *known = (both(known.0, whole), both(known.1, signature)))
            .or_insert((whole, signature));
    }
    writer.what = What::Level;
    writer.write(0);
    let bodies = bodies.into_iter();
    let bodies = bodies.map(|(name, (whole, signature))| Body { qualname: name.to_owned(), whole, signature });
    (writer.finish(), bodies.collect())
}

/// The hash of one node with all that is in it.
pub(super) fn of_whole(tree: &Tree, id: Id) -> Digest {
    let mut writer = Writer::new(tree, What::Everything);
    writer.write(id);
    writer.finish()
}

fn cut(hash: blake3::Hash) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

pub(super) fn of_bytes(bytes: &[u8]) -> Digest {
    cut(blake3::hash(bytes))
}

/// What is written of functions within that which is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Everything,
    /// Not their bodies, but for docstrings.
    Outside,
    /// Not what only those can tell who use them, either.
    Level,
}

struct Writer<'t, 'a> {
    tree: &'t Tree<'a>,
    what: What,
    bytes: Vec<u8>,
}

impl<'t, 'a> Writer<'t, 'a> {
    fn new(tree: &'t Tree<'a>, what: What) -> Self {
        Self { tree, what, bytes: Vec::new() }
    }

    fn finish(&mut self) -> Digest {
        let digest = cut(blake3::hash(&self.bytes));
        self.bytes.clear();
        digest
    }

    /// The nodes in their order, each with its depth: from that the tree follows.
    fn write(&mut self, root: Id) {
        let (mut id, top) = (root, self.tree.node(root).depth);
        while id < self.tree.node(root).end {
            let node = self.tree.node(id);
            if id != root && self.is_left_out(id) {
                id = node.end;
                continue;
            }
            self.bytes.extend([node.kind as u8, node.field as u8, node.flag]);
            self.number(u64::from(node.depth - top));
            self.value(node.value);
            id += 1;
        }
    }

    fn is_left_out(&self, id: Id) -> bool {
        match self.what {
            What::Everything => false,
            What::Outside => self.is_of_body(id),
            What::Level => self.is_of_body(id) || self.is_of_signature(id),
        }
    }

    /// Whether a node is a statement of a function, and not its docstring.
    fn is_of_body(&self, id: Id) -> bool {
        let node = self.tree.node(id);
        let of_function = node.field == Field::Body && self.tree.kind(node.parent).is_function();
        of_function && !(self.is_first(id) && self.is_text(id))
    }

    /// Whether a node is the name of a parameter without an annotation, or a constant that is its default; and the function is executed when it is called.
    fn is_of_signature(&self, id: Id) -> bool {
        let node = self.tree.node(id);
        let function = self.tree.node(self.tree.node(node.parent).parent);
        self.tree.kind(node.parent) == Kind::Arguments
            && function.kind == Kind::FunctionDef
            && function.flag == 0
            && match node.kind {
                Kind::Arg => self.tree.child(id, Field::Annotation).is_none(),
                Kind::Constant | Kind::Absent => matches!(node.field, Field::Defaults | Field::KwDefaults),
                _ => false,
            }
    }

    fn is_first(&self, statement: Id) -> bool {
        // Before the body there are the parameters.
        let function = self.tree.node(statement).parent;
        self.tree.node(function + 1).end == statement
    }

    fn is_text(&self, statement: Id) -> bool {
        self.tree.kind(statement) == Kind::Expr && self.tree.text(statement + 1).is_some()
    }

    /// Seven bits in each byte, the last without the eighth.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.bytes.push(u8::from(text.is_some()));
        self.part(text.unwrap_or("").as_bytes());
    }

    fn tagged(&mut self, tag: u8, bits: u64) {
        self.bytes.push(tag);
        self.bytes.extend(bits.to_le_bytes());
    }

    /// Behind a tag that no other kind of value has.
    fn value(&mut self, value: Value) {
        let tree = self.tree;
        match value {
            Value::Nothing => self.bytes.push(0),
            Value::Name(name) => {
                self.bytes.push(1);
                self.part(name.as_bytes());
            }
            Value::Names(names) => {
                self.bytes.push(2);
                self.number(names.len() as u64);
                names.iter().for_each(|name| self.part(name.as_bytes()));
            }
            Value::Alias(name, renamed) => {
                self.bytes.push(3);
                self.part(name.as_bytes());
                self.optional(renamed);
            }
            Value::From(module, level) => {
                self.bytes.push(4);
                self.optional(module);
                self.number(u64::from(level));
            }
            Value::Operators(operators) => {
                self.bytes.push(5);
                self.number(operators.len() as u64);
                self.bytes.extend(operators.iter().map(|&operator| operator as u8));
            }
            Value::Text(number) => {
                let text = &tree.texts[number as usize];
                self.bytes.extend([6, u8::from(text.unicode)]);
                self.part(text.value.as_bytes());
                self.number(text.raw.len() as u64);
                text.raw.iter().for_each(|raw| self.part(raw.as_bytes()));
            }
            Value::Bytes(number) => {
                self.bytes.push(7);
                self.part(&tree.bytes[number as usize]);
            }
            Value::BigInteger(number) => {
                self.bytes.push(8);
                self.part(&tree.integers[number as usize]);
            }
            Value::Integer(integer) => self.tagged(9, integer),
            Value::Float(bits) => self.tagged(10, bits),
            Value::Imaginary(bits) => self.tagged(11, bits),
            Value::Boolean(value) => self.bytes.extend([12, u8::from(value)]),
            Value::Null => self.bytes.push(13),
            Value::Ellipsis => self.bytes.push(14),
        }
    }
}
