//! From the parser's tree to that of Python's `ast` module: statements. What is below them is in [`super::expressions`].

use ruff_python_ast::{
    Alias, Decorator, ElifElseClause, ExceptHandler, Expr, Identifier, MatchCase, Pattern, Stmt, StmtClassDef,
    StmtFunctionDef, StmtIf, StmtTry, TypeParam, TypeParams, WithItem,
};

use super::tree::{Field, Function, Id, Kind, Node, Tree, Value};

pub(super) fn build<'a>(text: &'a str, body: &'a [Stmt], minor: u8) -> Tree<'a> {
    let mut builder = Builder {
        text,
        tree: Tree::default(),
        parent: 0,
        depth: 0,
        scopes: Vec::new(),
        prefix: String::new(),
        minor,
        all_marked: false,
    };
    builder.tree.nodes.reserve(text.len() / 4);
    builder.node(Kind::Module, Field::Body, |builder| builder.body(Field::Body, body));
    builder.tree
}

pub(super) struct Builder<'a> {
    pub(super) text: &'a str,
    pub(super) tree: Tree<'a>,
    parent: Id,
    depth: u32,
    /// The functions, lambdas and classes around: which function it is.
    pub(super) scopes: Vec<Option<Id>>,
    /// What stands before the qualified name of a function.
    prefix: String,
    /// The version of Python 3 whose trees are like this.
    pub(super) minor: u8,
    /// Whether all constants of the f-string are marked as Unicode.
    pub(super) all_marked: bool,
}

impl<'a> Builder<'a> {
    // ---- nodes

    pub(super) fn open(&mut self, kind: Kind, field: Field, flag: u8, value: Value<'a>) -> Id {
        let id = self.tree.nodes.len() as Id;
        self.tree.nodes.push(Node { kind, field, flag, parent: self.parent, end: id + 1, depth: self.depth, value });
        self.parent = id;
        self.depth += 1;
        id
    }

    pub(super) fn close(&mut self, id: Id) {
        let end = self.tree.nodes.len() as Id;
        let node = &mut self.tree.nodes[id as usize];
        node.end = end;
        self.parent = node.parent;
        self.depth -= 1;
    }

    pub(super) fn leaf(&mut self, kind: Kind, field: Field, flag: u8, value: Value<'a>) {
        let id = self.open(kind, field, flag, value);
        self.close(id);
    }

    pub(super) fn node(&mut self, kind: Kind, field: Field, below: impl FnOnce(&mut Self)) {
        self.valued(kind, field, 0, Value::Nothing, below);
    }

    pub(super) fn valued(
        &mut self,
        kind: Kind,
        field: Field,
        flag: u8,
        value: Value<'a>,
        below: impl FnOnce(&mut Self),
    ) {
        let id = self.open(kind, field, flag, value);
        below(self);
        self.close(id);
    }

    pub(super) fn optional(&mut self, field: Field, expression: Option<&'a Expr>) {
        if let Some(expression) = expression {
            self.expression(field, expression);
        }
    }

    pub(super) fn expressions(&mut self, field: Field, expressions: impl IntoIterator<Item = &'a Expr>) {
        for expression in expressions {
            self.expression(field, expression);
        }
    }

    // ---- statements

    fn body(&mut self, field: Field, statements: &'a [Stmt]) {
        for statement in statements {
            self.statement(field, statement);
        }
    }

    fn statement(&mut self, field: Field, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(one) => self.function(field, one),
            Stmt::ClassDef(one) => self.class(field, one),
            Stmt::If(one) => self.if_statement(field, one),
            Stmt::Try(one) => self.try_statement(field, one),
            Stmt::For(one) => {
                self.node(if one.is_async { Kind::AsyncFor } else { Kind::For }, field, |builder| {
                    builder.expression(Field::Target, &one.target);
                    builder.expression(Field::Iter, &one.iter);
                    builder.body(Field::Body, &one.body);
                    builder.body(Field::OrElse, &one.orelse);
                });
            }
            Stmt::While(one) => self.node(Kind::While, field, |builder| {
                builder.expression(Field::Test, &one.test);
                builder.body(Field::Body, &one.body);
                builder.body(Field::OrElse, &one.orelse);
            }),
            Stmt::With(one) => {
                self.node(if one.is_async { Kind::AsyncWith } else { Kind::With }, field, |builder| {
                    one.items.iter().for_each(|item| builder.with_item(item));
                    builder.body(Field::Body, &one.body);
                });
            }
            Stmt::Match(one) => self.node(Kind::Match, field, |builder| {
                builder.expression(Field::Subject, &one.subject);
                one.cases.iter().for_each(|case| builder.match_case(case));
            }),
            _ => self.simple_statement(field, statement),
        }
    }

    fn simple_statement(&mut self, field: Field, statement: &'a Stmt) {
        match statement {
            Stmt::Expr(one) => self.node(Kind::Expr, field, |builder| builder.expression(Field::Value, &one.value)),
            Stmt::Return(one) => {
                self.node(Kind::Return, field, |builder| builder.optional(Field::Value, one.value.as_deref()));
            }
            Stmt::Delete(one) => {
                self.node(Kind::Delete, field, |builder| builder.expressions(Field::Target, &one.targets));
            }
            Stmt::Assign(one) => self.node(Kind::Assign, field, |builder| {
                builder.expressions(Field::Target, &one.targets);
                builder.expression(Field::Value, &one.value);
            }),
            Stmt::AugAssign(one) => {
                self.valued(Kind::AugAssign, field, one.op as u8, Value::Nothing, |builder| {
                    builder.expression(Field::Target, &one.target);
                    builder.expression(Field::Value, &one.value);
                });
            }
            Stmt::AnnAssign(one) => {
                self.valued(Kind::AnnAssign, field, u8::from(one.simple), Value::Nothing, |builder| {
                    builder.expression(Field::Target, &one.target);
                    builder.expression(Field::Annotation, &one.annotation);
                    builder.optional(Field::Value, one.value.as_deref());
                });
            }
            Stmt::TypeAlias(one) => self.node(Kind::TypeAlias, field, |builder| {
                builder.expression(Field::Target, &one.name);
                builder.type_params(one.type_params.as_deref());
                builder.expression(Field::Value, &one.value);
            }),
            Stmt::Raise(one) => self.node(Kind::Raise, field, |builder| {
                builder.optional(Field::Exc, one.exc.as_deref());
                builder.optional(Field::Cause, one.cause.as_deref());
            }),
            Stmt::Assert(one) => self.node(Kind::Assert, field, |builder| {
                builder.expression(Field::Test, &one.test);
                builder.optional(Field::Msg, one.msg.as_deref());
            }),
            Stmt::Import(one) => {
                self.valued(Kind::Import, field, u8::from(one.is_lazy), Value::Nothing, |builder| {
                    builder.aliases(&one.names);
                });
            }
            Stmt::ImportFrom(one) => {
                let source = Value::From(one.module.as_ref().map(Identifier::as_str), one.level);
                self.valued(Kind::ImportFrom, field, u8::from(one.is_lazy), source, |builder| {
                    builder.aliases(&one.names);
                });
            }
            Stmt::Global(one) => self.leaf(Kind::Global, field, 0, Value::Names(&one.names)),
            Stmt::Nonlocal(one) => self.leaf(Kind::Nonlocal, field, 0, Value::Names(&one.names)),
            Stmt::Pass(_) => self.leaf(Kind::Pass, field, 0, Value::Nothing),
            Stmt::Break(_) => self.leaf(Kind::Break, field, 0, Value::Nothing),
            Stmt::Continue(_) => self.leaf(Kind::Continue, field, 0, Value::Nothing),
            _ => self.leaf(Kind::Absent, field, 0, Value::Nothing),
        }
    }

    fn aliases(&mut self, names: &'a [Alias]) {
        for one in names {
            let alias = Value::Alias(&one.name, one.asname.as_ref().map(Identifier::as_str));
            self.leaf(Kind::Alias, Field::Names, 0, alias);
        }
    }

    fn decorators(&mut self, decorators: &'a [Decorator]) {
        self.expressions(Field::Decorators, decorators.iter().map(|decorator| &decorator.expression));
    }

    fn function(&mut self, field: Field, one: &'a StmtFunctionDef) {
        let kind = if one.is_async { Kind::AsyncFunctionDef } else { Kind::FunctionDef };
        let id = self.open(kind, field, 0, Value::Name(&one.name));
        let length = self.prefix.len();
        self.prefix.push_str(&one.name);
        self.tree.functions.push(Function { id, qualname: self.prefix.clone() });
        self.prefix.push_str(".<locals>.");
        self.scopes.push(Some(id));
        self.parameters(&one.parameters);
        self.body(Field::Body, &one.body);
        self.decorators(&one.decorator_list);
        self.optional(Field::Returns, one.returns.as_deref());
        self.type_params(one.type_params.as_deref());
        self.scopes.pop();
        self.prefix.truncate(length);
        self.close(id);
    }

    fn class(&mut self, field: Field, one: &'a StmtClassDef) {
        let id = self.open(Kind::ClassDef, field, 0, Value::Name(&one.name));
        let length = self.prefix.len();
        self.prefix.push_str(&one.name);
        self.prefix.push('.');
        self.scopes.push(None);
        self.expressions(Field::Bases, one.bases());
        self.keywords(one.keywords());
        self.body(Field::Body, &one.body);
        self.decorators(&one.decorator_list);
        self.type_params(one.type_params.as_deref());
        self.scopes.pop();
        self.prefix.truncate(length);
        self.close(id);
    }

    /// Each `elif` is an `if` in the `else` of the one before.
    fn if_statement(&mut self, field: Field, one: &'a StmtIf) {
        let mut opened = vec![self.open(Kind::If, field, 0, Value::Nothing)];
        self.expression(Field::Test, &one.test);
        self.body(Field::Body, &one.body);
        for ElifElseClause { test, body, .. } in &one.elif_else_clauses {
            if let Some(test) = test {
                opened.push(self.open(Kind::If, Field::OrElse, 0, Value::Nothing));
                self.expression(Field::Test, test);
                self.body(Field::Body, body);
            } else {
                self.body(Field::OrElse, body);
            }
        }
        for id in opened.into_iter().rev() {
            self.close(id);
        }
    }

    fn try_statement(&mut self, field: Field, one: &'a StmtTry) {
        self.node(if one.is_star { Kind::TryStar } else { Kind::Try }, field, |builder| {
            builder.body(Field::Body, &one.body);
            for ExceptHandler::ExceptHandler(handler) in &one.handlers {
                let name = handler.name.as_ref().map_or(Value::Nothing, |name| Value::Name(name));
                builder.valued(Kind::ExceptHandler, Field::Handlers, 0, name, |builder| {
                    builder.optional(Field::Type, handler.type_.as_deref());
                    builder.body(Field::Body, &handler.body);
                });
            }
            builder.body(Field::OrElse, &one.orelse);
            builder.body(Field::FinalBody, &one.finalbody);
        });
    }

    fn with_item(&mut self, one: &'a WithItem) {
        self.node(Kind::WithItem, Field::Items, |builder| {
            builder.expression(Field::ContextExpr, &one.context_expr);
            builder.optional(Field::OptionalVars, one.optional_vars.as_deref());
        });
    }

    fn match_case(&mut self, one: &'a MatchCase) {
        self.node(Kind::MatchCase, Field::Cases, |builder| {
            builder.pattern(Field::Pattern, &one.pattern);
            builder.optional(Field::Guard, one.guard.as_deref());
            builder.body(Field::Body, &one.body);
        });
    }

    fn patterns(&mut self, field: Field, patterns: impl IntoIterator<Item = &'a Pattern>) {
        for pattern in patterns {
            self.pattern(field, pattern);
        }
    }

    fn pattern(&mut self, field: Field, pattern: &'a Pattern) {
        let named =
            |name: &'a Option<Identifier>| name.as_ref().map_or(Value::Nothing, |name| Value::Name(name.as_str()));
        match pattern {
            Pattern::MatchValue(one) => {
                self.node(Kind::MatchValue, field, |builder| builder.expression(Field::Value, &one.value));
            }
            Pattern::MatchSingleton(one) => {
                self.leaf(Kind::MatchSingleton, field, one.value as u8, Value::Nothing);
            }
            Pattern::MatchSequence(one) => {
                self.node(Kind::MatchSequence, field, |builder| builder.patterns(Field::Patterns, &one.patterns));
            }
            Pattern::MatchMapping(one) => {
                self.valued(Kind::MatchMapping, field, 0, named(&one.rest), |builder| {
                    builder.expressions(Field::Keys, &one.keys);
                    builder.patterns(Field::Patterns, &one.patterns);
                });
            }
            Pattern::MatchClass(one) => self.node(Kind::MatchClass, field, |builder| {
                builder.expression(Field::Cls, &one.cls);
                builder.patterns(Field::Patterns, &one.arguments.patterns);
                for keyword in &one.arguments.keywords {
                    builder.leaf(Kind::Word, Field::KwdAttrs, 0, Value::Name(&keyword.attr));
                }
                builder.patterns(Field::KwdPatterns, one.arguments.keywords.iter().map(|one| &one.pattern));
            }),
            Pattern::MatchStar(one) => self.leaf(Kind::MatchStar, field, 0, named(&one.name)),
            Pattern::MatchAs(one) => self.valued(Kind::MatchAs, field, 0, named(&one.name), |builder| {
                builder.patterns(Field::Pattern, one.pattern.as_deref());
            }),
            Pattern::MatchOr(one) => {
                self.node(Kind::MatchOr, field, |builder| builder.patterns(Field::Patterns, &one.patterns));
            }
        }
    }

    fn type_params(&mut self, params: Option<&'a TypeParams>) {
        for param in params.into_iter().flatten() {
            let (kind, name, bound, default) = match param {
                TypeParam::TypeVar(one) => (Kind::TypeVar, &one.name, one.bound.as_deref(), one.default.as_deref()),
                TypeParam::TypeVarTuple(one) => (Kind::TypeVarTuple, &one.name, None, one.default.as_deref()),
                TypeParam::ParamSpec(one) => (Kind::ParamSpec, &one.name, None, one.default.as_deref()),
            };
            self.valued(kind, Field::TypeParams, 0, Value::Name(name), |builder| {
                builder.optional(Field::Bound, bound);
                builder.optional(Field::DefaultValue, default);
            });
        }
    }
}
