//! What the names of a module stand for, as far as its text says it once and for all.

use std::collections::HashMap;

use ruff_python_ast::{Expr, Stmt};

use super::blocks::for_each_block;

pub(super) enum Known<'a> {
    /// Imported: its dotted name, with leading dots if relative.
    Path(String),
    /// Assigned, without condition.
    Value(&'a Expr),
    /// A class or function of that name, without decorators.
    Definition,
    /// Bound more than once, or in a way that is not understood.
    Unknown,
}

#[derive(Default)]
pub(super) struct Names<'a> {
    known: HashMap<&'a str, Known<'a>>,
}

/// Longer chains of names for names are not followed.
const CHAIN: usize = 8;

impl<'a> Names<'a> {
    pub fn of(body: &'a [Stmt]) -> Self {
        let mut names = Self::default();
        names.block(body, false);
        names
    }

    pub fn get(&self, name: &str) -> Option<&Known<'a>> {
        self.known.get(name)
    }

    /// The value that a name is assigned, or the expression itself if it is no such name.
    pub fn value(&self, expression: &'a Expr) -> &'a Expr {
        let mut expression = expression;
        for _ in 0..CHAIN {
            match expression {
                Expr::Name(name) => match self.known.get(name.id.as_str()) {
                    Some(Known::Value(value)) => expression = value,
                    _ => break,
                },
                _ => break,
            }
        }
        expression
    }

    /// The dotted name of what an expression is: `pytest.mark.skip` for `mark.skip` after `from pytest import mark`.
    /// `None` if it is no such thing; names that are not imported stand for themselves.
    pub fn path(&self, expression: &Expr) -> Option<String> {
        self.path_within(expression, CHAIN)
    }

    fn path_within(&self, expression: &Expr, left: usize) -> Option<String> {
        match expression {
            Expr::Attribute(attribute) => {
                let mut path = self.path_within(&attribute.value, left)?;
                path.push('.');
                path.push_str(attribute.attr.as_str());
                Some(path)
            }
            Expr::Name(name) => match self.known.get(name.id.as_str()) {
                Some(Known::Path(path)) => Some(path.clone()),
                Some(Known::Value(value)) if matches!(value, Expr::Name(_) | Expr::Attribute(_)) => {
                    self.path_within(value, left.checked_sub(1)?)
                }
                Some(Known::Unknown) => None,
                Some(Known::Definition | Known::Value(_)) | None => Some(name.id.to_string()),
            },
            _ => None,
        }
    }

    fn bind(&mut self, name: &'a str, known: Known<'a>) {
        use std::collections::hash_map::Entry;
        match self.known.entry(name) {
            Entry::Vacant(vacant) => drop(vacant.insert(known)),
            Entry::Occupied(mut there) => {
                let same = matches!((there.get(), &known), (Known::Path(one), Known::Path(two)) if one == two);
                if !same {
                    there.insert(Known::Unknown);
                }
            }
        }
    }

    fn block(&mut self, body: &'a [Stmt], conditional: bool) {
        for statement in body {
            self.statement(statement, conditional);
            for_each_block(statement, &mut |block, _| self.block(block, true));
        }
    }

    fn statement(&mut self, statement: &'a Stmt, conditional: bool) {
        let unless = |known| if conditional { Known::Unknown } else { known };
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let whole = alias.name.as_str();
                    let (name, path) = match &alias.asname {
                        Some(asname) => (asname.as_str(), whole),
                        None => whole.split_once('.').map_or((whole, whole), |(first, _)| (first, first)),
                    };
                    self.bind(name, Known::Path(path.to_owned()));
                }
            }
            Stmt::ImportFrom(import) => {
                let dots = ".".repeat(import.level as usize);
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    let dot = if module.is_empty() { "" } else { "." };
                    self.bind(name, Known::Path(format!("{dots}{module}{dot}{}", alias.name.as_str())));
                }
            }
            Stmt::FunctionDef(function) => {
                let known = if function.decorator_list.is_empty() { Known::Definition } else { Known::Unknown };
                self.bind(function.name.as_str(), unless(known));
            }
            Stmt::ClassDef(class) => {
                let plain = class.decorator_list.is_empty()
                    && class.arguments.as_ref().is_none_or(|all| all.keywords.is_empty());
                self.bind(class.name.as_str(), unless(if plain { Known::Definition } else { Known::Unknown }));
            }
            Stmt::Assign(assign) => match assign.targets.as_slice() {
                [Expr::Name(name)] => self.bind(name.id.as_str(), unless(Known::Value(&assign.value))),
                targets => targets.iter().for_each(|target| self.unknown(target)),
            },
            Stmt::AnnAssign(assign) => match (&*assign.target, &assign.value) {
                (Expr::Name(name), Some(value)) => self.bind(name.id.as_str(), unless(Known::Value(value))),
                _ => self.unknown(&assign.target),
            },
            Stmt::AugAssign(assign) => self.unknown(&assign.target),
            Stmt::For(inner) => self.unknown(&inner.target),
            Stmt::With(inner) => inner
                .items
                .iter()
                .filter_map(|item| item.optional_vars.as_ref())
                .for_each(|target| self.unknown(target)),
            Stmt::Delete(delete) => delete.targets.iter().for_each(|target| self.unknown(target)),
            // Lists that are appended to hold more than what they were assigned.
            Stmt::Expr(expression) => {
                if let Expr::Call(call) = &*expression.value {
                    if let Expr::Attribute(attribute) = &*call.func {
                        self.unknown(&attribute.value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Something is assigned to it, or to a part of it.
    fn unknown(&mut self, target: &'a Expr) {
        match target {
            Expr::Name(name) => drop(self.known.insert(name.id.as_str(), Known::Unknown)),
            Expr::Subscript(subscript) => self.unknown(&subscript.value),
            Expr::Starred(starred) => self.unknown(&starred.value),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.unknown(element)),
            Expr::List(list) => list.elts.iter().for_each(|element| self.unknown(element)),
            _ => {}
        }
    }
}
