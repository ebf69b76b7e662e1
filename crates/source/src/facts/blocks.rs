//! The blocks of compound statements.

use ruff_python_ast::{Expr, Stmt};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// Run only while types are checked.
    TypeChecking,
    /// In the first part of a `try` with handlers.
    Tried,
    Other,
}

/// The blocks of a compound statement other than `def` and `class`.
pub(super) fn for_each_block<'a>(statement: &'a Stmt, act: &mut dyn FnMut(&'a [Stmt], Block)) {
    match statement {
        Stmt::If(inner) => {
            act(&inner.body, if is_type_checking(&inner.test) { Block::TypeChecking } else { Block::Other });
            inner.elif_else_clauses.iter().for_each(|clause| act(&clause.body, Block::Other));
        }
        Stmt::For(inner) => {
            act(&inner.body, Block::Other);
            act(&inner.orelse, Block::Other);
        }
        Stmt::While(inner) => {
            act(&inner.body, Block::Other);
            act(&inner.orelse, Block::Other);
        }
        Stmt::With(inner) => act(&inner.body, Block::Other),
        Stmt::Match(inner) => inner.cases.iter().for_each(|case| act(&case.body, Block::Other)),
        Stmt::Try(inner) => {
            act(&inner.body, if inner.handlers.is_empty() { Block::Other } else { Block::Tried });
            for ruff_python_ast::ExceptHandler::ExceptHandler(handler) in &inner.handlers {
                act(&handler.body, Block::Other);
            }
            act(&inner.orelse, Block::Other);
            act(&inner.finalbody, Block::Other);
        }
        _ => {}
    }
}

fn is_type_checking(test: &Expr) -> bool {
    match test {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        _ => false,
    }
}
