//! Hashes of parts of the tree. They say what `ast.dump` says: kinds, fields and values, and nothing of places, so that two are equal if and only if
//! the dumps are.

use std::collections::BTreeMap;

use super::tree::{Field, Id, Kind, Tree, Value};
use super::Digest;

/// The hash of all that is not in the body of a function, and those of the bodies by their functions' names.
pub(super) fn level_and_bodies(tree: &Tree) -> (Digest, Vec<(String, Digest)>) {
    let mut bodies: BTreeMap<&str, Digest> = BTreeMap::new();
    let mut writer = Writer::new(tree, false);
    for function in &tree.functions {
        for statement in tree.children_in(function.id, Field::Body) {
            writer.write(statement);
        }
        let own = writer.finish();
        // Functions of one name, as those of a property, are one to whoever only knows their names.
        bodies
            .entry(&function.qualname)
            .and_modify(|known| *known = cut(blake3::hash(&[*known, own].concat())))
            .or_insert(own);
    }
    writer.write(0);
    (writer.finish(), bodies.into_iter().map(|(name, digest)| (name.to_owned(), digest)).collect())
}

/// The hash of one node with all that is in it.
pub(super) fn of_whole(tree: &Tree, id: Id) -> Digest {
    let mut writer = Writer::new(tree, true);
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

struct Writer<'t, 'a> {
    tree: &'t Tree<'a>,
    /// Whether functions within what is written are written with their bodies. Otherwise only their docstrings are.
    whole: bool,
    bytes: Vec<u8>,
}

impl<'t, 'a> Writer<'t, 'a> {
    fn new(tree: &'t Tree<'a>, whole: bool) -> Self {
        Self { tree, whole, bytes: Vec::new() }
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
            if !self.whole && id != root && self.is_left_out(id) {
                id = node.end;
                continue;
            }
            self.bytes.extend([node.kind as u8, node.field as u8, node.flag]);
            self.number(u64::from(node.depth - top));
            self.value(node.value);
            id += 1;
        }
    }

    /// Whether a node is a statement of a function, and not its docstring.
    fn is_left_out(&self, id: Id) -> bool {
        let node = self.tree.node(id);
        let of_function = node.field == Field::Body && self.tree.kind(node.parent).is_function();
        of_function && !(self.is_first(id) && self.is_text(id))
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
