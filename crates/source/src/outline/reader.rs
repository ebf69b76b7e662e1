//! What names of a module stand for, as far as its text says, and what expressions that begin with them touch.

use std::collections::HashMap;

use super::keeping::puts_something;
use super::mentions::bound_by_import;
use super::touching::How;
use super::tree::{Field, Id, Kind, Tree, Value, LOAD, STORE};

/// How something is touched, and what: an import's level and a dotted name.
pub(super) type Touched = (How, u32, String);

pub(super) struct Reader<'t, 'a> {
    pub(super) tree: &'t Tree<'a>,
    /// What names stand for that an import binds, anywhere: its level and a dotted name.
    pub(super) imported: HashMap<&'a str, (u32, String)>,
    /// The statements of the module that bind a name, in their order; imports are known otherwise.
    pub(super) bound: HashMap<&'a str, Vec<Id>>,
    /// Names of the module for something in, or from, what is imported.
    others: HashMap<&'a str, Touched>,
    /// What calling each function or class of the module touches, as far as it was asked for.
    pub(super) inner: HashMap<&'a str, Vec<Touched>>,
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(super) fn new(tree: &'t Tree<'a>) -> Self {
        let mut imported = HashMap::new();
        for id in tree.breadth_first(0, |kind| matches!(kind, Kind::Import | Kind::ImportFrom)) {
            imported.extend(bound_by_import(tree, id));
        }
        let mut bound: HashMap<&str, Vec<Id>> = HashMap::new();
        for statement in tree.statements() {
            for name in bound_by(tree, statement) {
                let statements = bound.entry(name).or_default();
                if statements.last() != Some(&statement) {
                    statements.push(statement);
                }
            }
        }
        let mut reader = Self { tree, imported, bound, others: HashMap::new(), inner: HashMap::new() };
        for statement in tree.statements() {
            reader.take_name(statement);
        }
        reader
    }

    /// Take in what an assignment to one name says of it.
    fn take_name(&mut self, statement: Id) {
        let tree = self.tree;
        let mut targets = tree.children_in(statement, Field::Target);
        let (Some(target), None) = (targets.next(), targets.next()) else { return };
        if tree.kind(statement) != Kind::Assign || tree.kind(target) != Kind::Name {
            return;
        }
        let value = tree.the(statement, Field::Value);
        let chain = std::iter::successors(Some(value), |&id| tree.inner(id));
        let mut calls = chain.filter(|&id| tree.kind(id) == Kind::Call).map(|id| tree.last_name(id + 1)).peekable();
        let how = if calls.peek().is_some() { How::Given } else { How::Puts };
        if calls.any(|name| name.starts_with(char::is_uppercase)) {
            return;
        }
        if let Some((_, level, name)) = self.told(How::Puts, value) {
            self.others.insert(tree.node(target).name(), (how, level, name));
        }
    }

    /// If an expression begins with an imported name: what it names, as far as that can be read.
    pub(super) fn told(&self, how: How, mut id: Id) -> Option<Touched> {
        let mut parts = Vec::new();
        while let Some(inner) = self.tree.inner(id) {
            if self.tree.kind(id) == Kind::Attribute {
                parts.push(self.tree.node(id).name());
            } else {
                parts.clear();
                parts.push("*");
            }
            id = inner;
        }
        if self.tree.kind(id) != Kind::Name {
            return None;
        }
        let name = self.tree.node(id).name();
        let (how, level, name) = if let Some((level, name)) = self.imported.get(name) {
            (how, level, name)
        } else {
            let (given, level, name) = self.others.get(name)?;
            (if *given == How::Puts { how } else { *given }, level, name)
        };
        parts.push(name);
        parts.reverse();
        Some((how, *level, parts.join(".")))
    }

    /// What one node changes that begins with an imported name, unless that is one of the *local* names.
    pub(super) fn change(&self, id: Id, is_local: impl Fn(&str) -> bool) -> Option<Touched> {
        let place = place_of(self.tree, id)?;
        if self.tree.root_name(place).is_some_and(is_local) {
            return None;
        }
        self.told(How::Puts, place)
    }
}

/// What one node changes, if it is no name.
pub(super) fn place_of(tree: &Tree, id: Id) -> Option<Id> {
    let node = tree.node(id);
    match node.kind {
        Kind::Attribute | Kind::Subscript if node.flag != LOAD => Some(id),
        Kind::AugAssign if tree.kind(id + 1) == Kind::Name => Some(id + 1),
        Kind::Call => {
            let function = tree.node(id + 1);
            match function.kind {
                Kind::Attribute if puts_something(function.name()) => Some(id + 2),
                Kind::Name if matches!(function.name(), "setattr" | "delattr") => tree.child(id, Field::Args),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The nodes of a statement that run when the module is loaded: of functions, their decorators and parameters.
pub(super) fn level_nodes(tree: &Tree, statement: Id) -> Vec<Id> {
    let (mut found, mut waiting) = (Vec::new(), vec![statement]);
    while let Some(id) = waiting.pop() {
        found.push(id);
        let first = waiting.len();
        let kind = tree.kind(id);
        if kind.is_function() || kind == Kind::Lambda {
            waiting.extend(tree.children_in(id, Field::Decorators));
            waiting.extend(tree.child(id, Field::Args));
        } else {
            waiting.extend(tree.children(id));
        }
        waiting[first..].reverse();
    }
    found
}

/// The names that a statement of the module binds in it.
fn bound_by<'a>(tree: &Tree<'a>, statement: Id) -> Vec<&'a str> {
    let is_definition = |kind: Kind| kind.is_function() || kind == Kind::ClassDef;
    if is_definition(tree.kind(statement)) {
        return vec![tree.node(statement).name()];
    }
    let nodes = level_nodes(tree, statement).into_iter().map(|id| tree.node(id));
    let binds = nodes.filter(|node| is_definition(node.kind) || (node.kind == Kind::Name && node.flag == STORE));
    binds.map(|node| node.name()).collect()
}

/// Parameters and local names of a function and of those within it.
pub(super) fn local_names<'a>(tree: &Tree<'a>, function: Id) -> Vec<&'a str> {
    let (mut found, mut freed) = (Vec::new(), Vec::new());
    for id in tree.within(function) {
        let node = tree.node(id);
        match node.kind {
            Kind::Name if node.flag != STORE => {}
            Kind::FunctionDef | Kind::AsyncFunctionDef | Kind::ClassDef if id == function => {}
            Kind::Arg | Kind::Name | Kind::FunctionDef | Kind::AsyncFunctionDef | Kind::ClassDef => {
                found.push(node.name())
            }
            Kind::ExceptHandler if !node.name().is_empty() => found.push(node.name()),
            Kind::Global | Kind::Nonlocal => {
                if let Value::Names(names) = node.value {
                    freed.extend(names.iter().map(|name| name.as_str()));
                }
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found.retain(|name| !freed.contains(name));
    found
}
