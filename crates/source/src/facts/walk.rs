//! One pass over the statements of a module.

use std::cell::OnceCell;

use ruff_python_ast::{
    Expr, Parameters as AstParameters, Stmt, StmtClassDef, StmtFunctionDef, StmtImport, StmtImportFrom,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::blocks::{for_each_block, Block};
use super::ids::strings;
use super::marks::{assigned_marks, decorators};
use super::names::Names;
use super::{Binding, Bound, Class, Collected, Facts, Function, Import, Marks, Place, Strings};
use crate::writer::Lines;

/// Where the code of a function is.
pub(super) struct Span {
    /// The colon before the body comes behind this.
    pub signature_end: TextSize,
    /// The function's place in the list of bindings, if it is there.
    pub binding: Option<u32>,
}

#[derive(Default)]
pub(super) struct Found {
    pub facts: Facts,
    /// In the order of the text.
    pub spans: Vec<Span>,
    /// Docstrings, in the order of the text.
    pub docs: Vec<TextRange>,
}

pub(super) struct Walk<'a> {
    text: &'a str,
    lines: &'a Lines,
    body: &'a [Stmt],
    names: OnceCell<Names<'a>>,
    pub found: Found,
}

/// Where the walk is.
#[derive(Clone, Copy, Default)]
struct Here {
    place: Place,
    /// In a class's body: its place in the list of bindings.
    class: Option<u32>,
}

impl<'a> Walk<'a> {
    pub fn new(text: &'a str, lines: &'a Lines, body: &'a [Stmt]) -> Self {
        Self { text, lines, body, names: OnceCell::new(), found: Found::default() }
    }

    pub fn module(&mut self) {
        let body = self.body;
        self.docstring(body);
        self.block(body, Here::default());
    }

    fn line(&self, offset: TextSize) -> u32 {
        self.lines.position(offset).line
    }

    fn docstring(&mut self, body: &[Stmt]) {
        if let Some(Stmt::Expr(expression)) = body.first() {
            if expression.value.is_string_literal_expr() {
                self.found.docs.push(expression.range);
            }
        }
    }

    fn block(&mut self, body: &'a [Stmt], here: Here) {
        body.iter().for_each(|statement| self.statement(statement, here));
    }

    fn statement(&mut self, statement: &'a Stmt, here: Here) {
        match statement {
            Stmt::FunctionDef(function) => self.function(function, here),
            Stmt::ClassDef(class) => self.class(class, here),
            Stmt::Import(import) => self.import(import, here),
            Stmt::ImportFrom(import) => self.import_from(import, here),
            Stmt::Assert(_) => self.found.facts.asserts += 1,
            _ => {
                if !here.place.in_function {
                    self.assignments(statement, here);
                }
                for_each_block(statement, &mut |block, kind| {
                    let mut inside = here;
                    inside.place.conditional = true;
                    inside.place.type_checking |= kind == Block::TypeChecking;
                    inside.place.in_try |= kind == Block::Tried;
                    self.block(block, inside);
                });
            }
        }
    }

    fn bind(&mut self, name: &str, offset: TextSize, bound: Bound, here: Here) -> u32 {
        let line = self.line(offset);
        let conditional = here.place.conditional;
        let bindings = &mut self.found.facts.bindings;
        bindings.push(Binding { name: name.into(), scope: here.class, line, conditional, bound });
        bindings.len() as u32 - 1
    }

    fn function(&mut self, function: &'a StmtFunctionDef, here: Here) {
        let name = function.name.as_str();
        let start =
            function.decorator_list.first().map_or(function.range.start(), |decorator| decorator.expression.start());
        let binding = (!here.place.in_function).then(|| {
            let decorators = self.decorators_of(name, &function.decorator_list);
            let (parameters, defaulted) = parameters(&function.parameters);
            let function =
                Function { is_async: function.is_async, is_generator: false, parameters, defaulted, decorators };
            self.bind(name, start, Bound::Function(function), here)
        });
        self.found.spans.push(Span {
            signature_end: function.returns.as_ref().map_or(function.parameters.end(), |returns| returns.end()),
            binding,
        });
        self.docstring(&function.body);
        let place = Place { in_function: true, ..here.place };
        self.block(&function.body, Here { place, class: None });
    }

    fn class(&mut self, class: &'a StmtClassDef, here: Here) {
        let name = class.name.as_str();
        let binding = (!here.place.in_function).then(|| {
            let start =
                class.decorator_list.first().map_or(class.range.start(), |decorator| decorator.expression.start());
            let bound = self.class_facts(class);
            self.bind(name, start, Bound::Class(bound), here)
        });
        self.docstring(&class.body);
        // What is below a class is conditional only if it is so within the class.
        let place = Place { conditional: here.place.in_function && here.place.conditional, ..here.place };
        self.block(&class.body, Here { place, class: binding });
    }

    fn class_facts(&self, class: &'a StmtClassDef) -> Class {
        let mut found = Class::default();
        if let Some(arguments) = &class.arguments {
            let names = self.names();
            found.bases = arguments.args.iter().map(|base| names.path(base).unwrap_or_default().into()).collect();
            found.keywords = !arguments.keywords.is_empty();
        }
        found.decorators = self.decorators_of(class.name.as_str(), &class.decorator_list);
        found
    }

    fn decorators_of(&self, name: &str, list: &'a [ruff_python_ast::Decorator]) -> super::Decorators {
        if list.is_empty() {
            return super::Decorators::default();
        }
        decorators(name, list, self.names())
    }

    /// Made when first asked for: many modules have no decorators.
    fn names(&self) -> &Names<'a> {
        self.names.get_or_init(|| Names::of(self.body))
    }

    fn import(&mut self, import: &'a StmtImport, here: Here) {
        for alias in &import.names {
            let module = alias.name.as_str();
            self.add_import(0, module, None, alias.range.start(), here);
            let name = alias.asname.as_ref().map_or(module, |name| name.as_str());
            self.bind_import(name.split('.').next().unwrap_or(name), alias.range.start(), here);
        }
    }

    fn import_from(&mut self, import: &'a StmtImportFrom, here: Here) {
        let module = import.module.as_ref().map_or("", |module| module.as_str());
        for alias in &import.names {
            self.add_import(import.level, module, Some(alias.name.as_str()), import.range.start(), here);
            let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            self.bind_import(name, alias.range.start(), here);
        }
    }

    fn add_import(&mut self, level: u32, module: &str, name: Option<&str>, offset: TextSize, here: Here) {
        let line = self.line(offset);
        let place = here.place;
        let import = Import { level, module: module.into(), name: name.map(Into::into), line, place };
        self.found.facts.imports.push(import);
    }

    fn bind_import(&mut self, name: &str, offset: TextSize, here: Here) {
        if !here.place.in_function {
            let number = self.found.facts.imports.len() as u32 - 1;
            self.bind(name, offset, Bound::Import(number), here);
        }
    }

    fn assignments(&mut self, statement: &'a Stmt, here: Here) {
        match statement {
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.target(target, Some(&assign.value), here))
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.target(&assign.target, Some(value), here);
                }
            }
            Stmt::AugAssign(assign) => self.target(&assign.target, None, here),
            Stmt::Raise(_) => self.found.facts.may_skip = true,
            Stmt::Expr(expression) => {
                if let Expr::Call(call) = &*expression.value {
                    let name = match &*call.func {
                        Expr::Attribute(attribute) => attribute.attr.as_str(),
                        Expr::Name(name) => name.id.as_str(),
                        _ => "",
                    };
                    self.found.facts.may_skip |= matches!(name, "skip" | "exit" | "fail" | "importorskip");
                }
            }
            Stmt::For(inner) => self.target(&inner.target, None, here),
            Stmt::With(inner) => inner
                .items
                .iter()
                .filter_map(|item| item.optional_vars.as_ref())
                .for_each(|target| self.target(target, None, here)),
            Stmt::Delete(delete) => {
                for target in &delete.targets {
                    if let Expr::Name(name) = target {
                        self.bind(name.id.as_str(), name.range.start(), Bound::Deleted, here);
                    }
                }
            }
            _ => {}
        }
    }

    /// *value* is what a single name is assigned, if that can be told.
    fn target(&mut self, target: &'a Expr, value: Option<&'a Expr>, here: Here) {
        match target {
            Expr::Name(name) => self.assigned(name.id.as_str(), name.range.start(), value, here),
            Expr::Starred(starred) => self.target(&starred.value, None, here),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.target(element, None, here)),
            Expr::List(list) => list.elts.iter().for_each(|element| self.target(element, None, here)),
            _ => {}
        }
    }

    fn assigned(&mut self, name: &str, offset: TextSize, value: Option<&'a Expr>, here: Here) {
        match name {
            "pytestmark" => {
                let mut marks = match value {
                    Some(value) => assigned_marks(value, self.names()),
                    None => Marks { computed: true, ..Marks::default() },
                };
                marks.computed |= here.place.conditional;
                let known = self.own_marks(here);
                marks.computed |= *known != Marks::default();
                *known = marks;
            }
            "__test__" => {
                let says = match value {
                    Some(Expr::BooleanLiteral(literal)) if !here.place.conditional && literal.value => Collected::Yes,
                    Some(Expr::BooleanLiteral(_)) if !here.place.conditional => Collected::No,
                    _ => Collected::Computed,
                };
                match self.own_class(here) {
                    Some(class) => class.collected = says,
                    None => self.found.facts.collected = says,
                }
            }
            "pytest_plugins" if here.class.is_none() => {
                let mut found = value.map_or(Strings { computed: true, ..Strings::default() }, strings);
                found.computed |= self.found.facts.plugins.is_some();
                self.found.facts.plugins.get_or_insert_default().literal.append(&mut found.literal);
                self.found.facts.plugins.get_or_insert_default().computed |= found.computed;
            }
            _ => {}
        }
        let bound = match value {
            Some(value) if self.text[value.range()].contains("mark") => {
                let marks = assigned_marks(value, self.names());
                if marks.computed || marks.marks.is_empty() {
                    Bound::Value
                } else {
                    Bound::Marks(marks)
                }
            }
            _ => Bound::Value,
        };
        self.bind(name, offset, bound, here);
    }

    fn own_class(&mut self, here: Here) -> Option<&mut Class> {
        match &mut self.found.facts.bindings.get_mut(here.class? as usize)?.bound {
            Bound::Class(class) => Some(class),
            _ => None,
        }
    }

    fn own_marks(&mut self, here: Here) -> &mut Marks {
        if self.own_class(here).is_none() {
            return &mut self.found.facts.marks;
        }
        match here.class.map(|class| &mut self.found.facts.bindings[class as usize].bound) {
            Some(Bound::Class(class)) => &mut class.marks,
            _ => unreachable!("looked at just before"),
        }
    }
}

/// Those without a default, and those with one.
fn parameters(parameters: &AstParameters) -> (Vec<Box<str>>, Vec<Box<str>>) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for parameter in parameters.iter_non_variadic_params() {
        let names = if parameter.default.is_some() { &mut with } else { &mut without };
        names.push(parameter.parameter.name.as_str().into());
    }
    (without, with)
}
