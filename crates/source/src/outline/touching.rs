//! What a module does to others, or to the whole process, while it is loaded: what it puts into them, calls, wraps or derives from.
//!
//! A test that looks into a registry depends on the modules that have put something in, though it mentions none of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::reader::{level_nodes, local_names, Reader, Touched};
use super::tree::{Field, Id, Kind, Tree};
use super::{digest, Digest};

/// Nothing that is left in these is seen by other tests.
const HARMLESS: [&str; 3] = ["pytest", "_pytest", "unittest"];

/// Calls among functions of the module are followed on a stack of their own when this is left of the current one.
const RED_ZONE: usize = 128 << 10;

/// How something is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// It is changed, or called for its effect.
    Puts,
    /// What it has given is.
    Given,
    /// It is called for a value.
    Calls,
    /// It decorates.
    Wraps,
    /// It is a class's base.
    Derives,
}

impl How {
    pub fn word(self) -> &'static str {
        match self {
            Self::Puts => "puts",
            Self::Given => "given",
            Self::Calls => "calls",
            Self::Wraps => "wraps",
            Self::Derives => "derives",
        }
    }
}

/// One statement of a module that may do something elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// How, and what: an import's level and a dotted name. Each once, in the order of the text.
    pub touched: Vec<(How, u32, String)>,
    /// A hash of the statement, with those that bind the names that it mentions.
    pub effect: Digest,
    /// The imported names that these mention; sorted.
    pub needs: Vec<(u32, String)>,
}

/// What loading a module may do elsewhere: whether it does depends on what the names stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touches {
    pub statements: Vec<Statement>,
    /// Names of functions that put something where it stays, or hand it to others that may; sorted.
    pub registers: Vec<String>,
    /// Whether defining a class below one of this file's registers it somewhere.
    pub derived: bool,
}

pub(super) fn touches(tree: &Tree) -> Touches {
    let mut reader = Reader::new(tree);
    let mut slices = Slices::default();
    let mut statements = Vec::new();
    for statement in tree.statements() {
        let mut found = Ordered::default();
        reader.of_level(statement, &mut found);
        let is_seen = |(_, _, name): &Touched| !HARMLESS.contains(&name.split('.').next().unwrap_or(name));
        if found.list.iter().any(is_seen) {
            let (effect, needs) = slices.of(&reader, statement);
            statements.push(Statement { touched: found.list, effect, needs });
        }
    }
    Touches { statements, registers: reader.registering(), derived: reader.registers_classes() }
}

/// Each once, in the order in which they have come.
#[derive(Default)]
struct Ordered {
    list: Vec<Touched>,
    seen: HashSet<Touched>,
}

impl Ordered {
    fn add(&mut self, found: impl IntoIterator<Item = Touched>) {
        for one in found {
            if self.seen.insert(one.clone()) {
                self.list.push(one);
            }
        }
    }
}

impl<'a> Reader<'_, 'a> {
    /// What running a statement of the module touches.
    fn of_level(&mut self, statement: Id, found: &mut Ordered) {
        let tree = self.tree;
        if tree.kind(statement) == Kind::If && is_never_loaded(tree, statement + 1) {
            for other in tree.children_in(statement, Field::OrElse) {
                // As deep as there are `elif`s.
                stacker::maybe_grow(RED_ZONE, 1 << 20, || self.of_level(other, found));
            }
            return;
        }
        for id in level_nodes(tree, statement) {
            let kind = tree.kind(id);
            if kind.is_function() || kind == Kind::ClassDef {
                self.of_definition(id, found);
            } else if kind == Kind::Expr && tree.kind(id + 1) == Kind::Call {
                found.add(self.told(How::Puts, id + 2));
            } else if kind == Kind::Call {
                found.add(self.by_own(id + 1));
                found.add(self.told(How::Calls, id + 1));
            }
            found.add(self.change(id, |_| false));
        }
    }

    fn of_definition(&mut self, id: Id, found: &mut Ordered) {
        let tree = self.tree;
        for decorator in tree.children_in(id, Field::Decorators) {
            let is_call = tree.kind(decorator) == Kind::Call;
            found.add(self.told(How::Wraps, if is_call { decorator + 1 } else { decorator }));
            found.add(self.by_own(decorator));
        }
        if tree.kind(id) == Kind::ClassDef {
            let keywords = tree.children_in(id, Field::Keywords).map(|keyword| keyword + 1);
            for base in tree.children_in(id, Field::Bases).chain(keywords) {
                found.add(self.told(How::Derives, base));
            }
        }
    }

    /// What calling a function or class of this file touches.
    fn by_own(&mut self, function: Id) -> Vec<Touched> {
        match self.tree.root_name(function) {
            Some(name) if !self.imported.contains_key(name) => self.inside(name),
            _ => Vec::new(),
        }
    }

    fn inside(&mut self, name: &'a str) -> Vec<Touched> {
        if let Some(known) = self.inner.get(name) {
            return known.clone();
        }
        // Who calls itself touches nothing by that.
        self.inner.insert(name, Vec::new());
        let mut found = Ordered::default();
        for statement in self.bound.get(name).cloned().unwrap_or_default() {
            let kind = self.tree.kind(statement);
            if kind.is_function() || kind == Kind::ClassDef {
                for function in self.tree.breadth_first(statement, Kind::is_function) {
                    self.of_function(function, &mut found);
                }
            }
        }
        self.inner.insert(name, found.list.clone());
        found.list
    }

    fn of_function(&mut self, function: Id, found: &mut Ordered) {
        let tree = self.tree;
        let local = local_names(tree, function);
        let is_local = |name: &str| local.binary_search(&name).is_ok();
        for id in tree.own_nodes(function) {
            found.add(self.change(id, is_local));
            if tree.kind(id) == Kind::Call && tree.kind(id + 1) == Kind::Name {
                let called = tree.node(id + 1).name();
                if !is_local(called) {
                    found.add(stacker::maybe_grow(RED_ZONE, 1 << 20, || self.inside(called)));
                }
            }
        }
    }
}

/// Whether a condition holds only for who runs the file as a program, or checks types.
fn is_never_loaded(tree: &Tree, test: Id) -> bool {
    if tree.kind(test) == Kind::Compare && tree.kind(test + 1) == Kind::Name && tree.node(test + 1).name() == "__name__"
    {
        return true;
    }
    tree.last_name(test) == "TYPE_CHECKING"
}

/// What decides about statements, as far as it was asked for.
#[derive(Default)]
struct Slices<'a> {
    /// Of each statement of the module: its hash and the names in it.
    known: HashMap<Id, (Digest, Vec<&'a str>)>,
}

impl<'a> Slices<'a> {
    /// A hash of a statement and of those that bind what it mentions; and the imports that they mention.
    fn of(&mut self, reader: &Reader<'_, 'a>, statement: Id) -> (Digest, Vec<(u32, String)>) {
        let (mut statements, mut waiting) = (BTreeSet::new(), vec![statement]);
        let mut names: HashSet<&str> = HashSet::new();
        while let Some(statement) = waiting.pop() {
            if !statements.insert(statement) {
                continue;
            }
            for &name in &self.look(reader.tree, statement).1 {
                if names.insert(name) {
                    waiting.extend(reader.bound.get(name).into_iter().flatten());
                }
            }
        }
        let needs: BTreeSet<&(u32, String)> = names.iter().filter_map(|&name| reader.imported.get(name)).collect();
        let mut bytes = Vec::new();
        for &one in &statements {
            bytes.extend(self.look(reader.tree, one).0);
        }
        // Nothing else is as long as the hashes of some statements and this.
        for (level, name) in &needs {
            bytes.extend(level.to_le_bytes());
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        bytes.extend((statements.len() as u64).to_le_bytes());
        (digest::of_bytes(&bytes), needs.into_iter().cloned().collect())
    }

    fn look(&mut self, tree: &Tree<'a>, statement: Id) -> &(Digest, Vec<&'a str>) {
        self.known.entry(statement).or_insert_with(|| {
            let nodes = tree.within(statement).map(|id| tree.node(id));
            let mut names: Vec<&str> = nodes.filter(|node| node.kind == Kind::Name).map(|node| node.name()).collect();
            names.sort_unstable();
            names.dedup();
            (digest::of_whole(tree, statement), names)
        })
    }
}
