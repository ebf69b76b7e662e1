//! A syntax tree as Python's `ast` module has it, in one list: each node is followed by those below it, in the order of its fields.

use std::borrow::Cow;
use std::ops::Range;

use ruff_python_ast::{CmpOp, Identifier};

/// A node, by its place in the list.
pub(super) type Id = u32;

/// The class of a node. `Absent` stands for `None` in a list, and `Word` for a text in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub(super) enum Kind {
    Module,
    FunctionDef, AsyncFunctionDef, ClassDef, Return, Delete, Assign, TypeAlias, AugAssign, AnnAssign, For, AsyncFor, While, If, With, AsyncWith,
    Match, Raise, Try, TryStar, Assert, Import, ImportFrom, Global, Nonlocal, Expr, Pass, Break, Continue,
    BoolOp, NamedExpr, BinOp, UnaryOp, Lambda, IfExp, Dict, Set, ListComp, SetComp, DictComp, GeneratorExp, Await, Yield, YieldFrom, Compare, Call,
    FormattedValue, JoinedStr, Interpolation, TemplateStr, Constant, Attribute, Subscript, Starred, Name, List, Tuple, Slice,
    Comprehension, ExceptHandler, Arguments, Arg, Keyword, Alias, WithItem, MatchCase,
    MatchValue, MatchSingleton, MatchSequence, MatchMapping, MatchClass, MatchStar, MatchAs, MatchOr,
    TypeVar, ParamSpec, TypeVarTuple,
    Absent, Word,
}

impl Kind {
    pub(super) fn is_function(self) -> bool {
        matches!(self, Self::FunctionDef | Self::AsyncFunctionDef)
    }

    /// Whether what is within such a node runs at another time, or in another scope, than what is around it.
    pub(super) fn is_scope(self) -> bool {
        self.is_function() || matches!(self, Self::Lambda | Self::ClassDef)
    }
}

/// The field of the node above that a node is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub(super) enum Field {
    Body, OrElse, FinalBody, Handlers, Decorators, Args, Returns, TypeParams, Bases, Keywords, Target, Value, Annotation, Iter, Test, Items, Subject, Cases,
    Exc, Cause, Msg, Names, Left, Right, Operand, Elts, Elt, Key, Keys, Values, Generators, Func, Comparators, FormatSpec, Slice, Lower, Upper, Step,
    Ifs, PosOnly, Positional, VarArg, KwOnly, KwDefaults, KwArg, Defaults, Type, ContextExpr, OptionalVars, Pattern, Patterns, Guard, Cls, KwdAttrs,
    KwdPatterns, Bound, DefaultValue,
}

/// Whether a place in the program is read, bound or deleted: what [`Node::flag`] says of attributes, subscripts, names and their like.
pub(super) const LOAD: u8 = 0;
pub(super) const STORE: u8 = 1;
pub(super) const DEL: u8 = 2;

/// What a node says beside its kind and the nodes below.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Nothing,
    /// An identifier, or a text of which only hashes are made.
    Name(&'a str),
    Names(&'a [Identifier]),
    /// The name that is imported, and the one it gets.
    Alias(&'a str, Option<&'a str>),
    /// The module of `from … import`, and its level.
    From(Option<&'a str>, u32),
    Operators(&'a [CmpOp]),
    /// One of [`Tree::texts`].
    Text(u32),
    /// One of [`Tree::bytes`].
    Bytes(u32),
    /// One of [`Tree::integers`].
    BigInteger(u32),
    Integer(u64),
    /// The bits of a number.
    Float(u64),
    Imaginary(u64),
    Boolean(bool),
    Null,
    Ellipsis,
}

/// The value of a string constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a> {
    pub(super) value: Cow<'a, str>,
    /// What stands in the file for those parts whose value is no text, or is not known: half a pair of surrogates, names of characters.
    pub(super) raw: Vec<&'a str>,
    /// Whether it is marked as Unicode.
    pub(super) unicode: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) kind: Kind,
    pub(super) field: Field,
    /// An operator, a context, a conversion, …; of a function, whether it, or what stands in its decorators, defaults and annotations, yields.
    pub(super) flag: u8,
    /// The module's is itself.
    pub(super) parent: Id,
    /// Behind the last node below.
    pub(super) end: Id,
    pub(super) depth: u32,
    pub(super) value: Value<'a>,
}

impl<'a> Node<'a> {
    /// The identifier of a name, function, class, argument or attribute; else empty.
    pub(super) fn name(&self) -> &'a str {
        match self.value {
            Value::Name(name) => name,
            _ => "",
        }
    }
}

/// A function with the name that its code has.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) id: Id,
    pub(super) qualname: String,
}

#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    /// In the order of the text.
    pub(super) functions: Vec<Function>,
    pub(super) texts: Vec<Text<'a>>,
    pub(super) bytes: Vec<Cow<'a, [u8]>>,
    pub(super) integers: Vec<Vec<u8>>,
}

impl<'a> Tree<'a> {
    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    pub(super) fn kind(&self, id: Id) -> Kind {
        self.node(id).kind
    }

    /// The text of a string constant; None if it is another node.
    pub(super) fn text(&self, id: Id) -> Option<&Text<'a>> {
        match self.node(id).value {
            Value::Text(number) => self.texts.get(number as usize),
            _ => None,
        }
    }

    /// The node and all below it, in the order of the text but for the order of fields.
    pub(super) fn within(&self, id: Id) -> Range<Id> {
        id..self.node(id).end
    }

    /// The nodes right below one.
    pub(super) fn children(&self, id: Id) -> Children<'_, 'a> {
        Children { tree: self, next: id + 1, end: self.node(id).end }
    }

    pub(super) fn children_in(&self, id: Id, field: Field) -> impl Iterator<Item = Id> + '_ {
        self.children(id).filter(move |&child| self.node(child).field == field)
    }

    pub(super) fn child(&self, id: Id, field: Field) -> Option<Id> {
        self.children_in(id, field).next()
    }

    /// The node below one that has to have it. (A tree of a text without errors has all of them.)
    pub(super) fn the(&self, id: Id, field: Field) -> Id {
        self.child(id, field).unwrap_or(id)
    }

    /// The statements of the module.
    pub(super) fn statements(&self) -> Children<'_, 'a> {
        self.children(0)
    }

    /// The nodes within *id* that are of some kinds, as `ast.walk` gives them: those that lie deeper last.
    pub(super) fn breadth_first(&self, id: Id, wanted: impl Fn(Kind) -> bool) -> Vec<Id> {
        let mut found: Vec<Id> = self.within(id).filter(|&id| wanted(self.kind(id))).collect();
        found.sort_by_key(|&id| self.node(id).depth);
        found
    }

    /// The nodes of a function's body, without what is in functions, lambdas and classes within it (but with these themselves).
    pub(super) fn own_nodes(&self, function: Id) -> OwnNodes<'_, 'a> {
        let mut body = self.children_in(function, Field::Body);
        let start = body.next().unwrap_or(0);
        let end = body.last().or((start > 0).then_some(start)).map_or(0, |last| self.node(last).end);
        OwnNodes { tree: self, next: start, end }
    }

    /// The last part of what a name or attribute says; else empty.
    pub(super) fn last_name(&self, id: Id) -> &'a str {
        match self.kind(id) {
            Kind::Name | Kind::Attribute => self.node(id).name(),
            _ => "",
        }
    }

    /// What a decorator is, or what makes it, if it is called there.
    pub(super) fn decorating(&self, decorator: Id) -> Id {
        match self.kind(decorator) {
            Kind::Call => decorator + 1,
            _ => decorator,
        }
    }

    /// What an attribute, subscript or call is one of; None if the node is none of these.
    pub(super) fn inner(&self, id: Id) -> Option<Id> {
        match self.kind(id) {
            // The first field of each of them.
            Kind::Attribute | Kind::Subscript | Kind::Call => Some(id + 1),
            _ => None,
        }
    }

    /// The expression that a chain of attributes, subscripts and calls begins with.
    pub(super) fn root(&self, mut id: Id) -> Id {
        while let Some(inner) = self.inner(id) {
            id = inner;
        }
        id
    }

    /// The name that such a chain begins with, if it begins with one.
    pub(super) fn root_name(&self, id: Id) -> Option<&'a str> {
        let root = self.node(self.root(id));
        (root.kind == Kind::Name).then(|| root.name())
    }
}

pub(super) struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    next: Id,
    end: Id,
}

impl Iterator for Children<'_, '_> {
    type Item = Id;

    fn next(&mut self) -> Option<Id> {
        let id = self.next;
        (id < self.end).then(|| {
            self.next = self.tree.node(id).end;
            id
        })
    }
}

pub(super) struct OwnNodes<'t, 'a> {
    tree: &'t Tree<'a>,
    next: Id,
    end: Id,
}

impl Iterator for OwnNodes<'_, '_> {
    type Item = Id;

    fn next(&mut self) -> Option<Id> {
        let id = self.next;
        (id < self.end).then(|| {
            let node = self.tree.node(id);
            self.next = if node.kind.is_scope() { node.end } else { id + 1 };
            id
        })
    }
}
