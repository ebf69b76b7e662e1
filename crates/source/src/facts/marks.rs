//! Decorators: marks, fixtures, and what else is put around functions and classes.

use ruff_python_ast::{Decorator, Expr, ExprCall, Operator};

use super::ids::{fixture_parameters, keyword, parametrize, strings};
use super::names::Names;
use super::{Decorators, Fixture, Mark, Marks};

/// How deep lists of marks may lie in each other.
const NESTING: usize = 4;

pub(super) fn decorators<'a>(name: &str, list: &'a [Decorator], names: &Names<'a>) -> Decorators {
    let mut found = Decorators::default();
    // They are applied from the last to the first.
    for decorator in list.iter().rev() {
        let expression = named_mark(&decorator.expression, names);
        if let Some(mark) = mark(expression, names) {
            found.marks.marks.push(mark);
            continue;
        }
        let (callee, call) = callee(expression);
        match names.path(callee).as_deref() {
            Some("pytest.fixture" | "pytest.yield_fixture") => found.fixture = Some(fixture(name, call, names)),
            path => found.others.push(path.unwrap_or("").into()),
        }
    }
    found
}

/// A name that a mark was assigned to means that mark.
fn named_mark<'a>(expression: &'a Expr, names: &Names<'a>) -> &'a Expr {
    let value = names.value(expression);
    if mark(value, names).is_some() {
        value
    } else {
        expression
    }
}

fn callee(expression: &Expr) -> (&Expr, Option<&ExprCall>) {
    match expression {
        Expr::Call(call) => (&call.func, Some(call)),
        _ => (expression, None),
    }
}

/// `pytest.mark.NAME` or a call of it.
fn mark<'a>(expression: &'a Expr, names: &Names<'a>) -> Option<Mark> {
    let (callee, call) = callee(expression);
    if !matches!(callee, Expr::Attribute(_) | Expr::Name(_)) {
        return None;
    }
    let path = names.path(callee)?;
    let name = path.strip_prefix("pytest.mark.")?;
    if name.contains('.') {
        return None;
    }
    let parameters = match (name, call) {
        ("parametrize", Some(call)) => Some(parametrize(call, names)),
        ("parametrize", None) => Some(super::Parameters::default()),
        _ => None,
    };
    let fixtures = (name == "usefixtures").then(|| {
        let mut all = super::Strings::default();
        for argument in call.map_or(&[][..], |call| &call.arguments.args) {
            let one = strings(argument);
            all.computed |= one.computed || !matches!(argument, Expr::StringLiteral(_));
            all.literal.extend(one.literal);
        }
        all
    });
    Some(Mark { name: name.into(), parameters, fixtures })
}

/// What `pytestmark` is assigned: a mark, or a list of them.
pub(super) fn assigned_marks<'a>(value: &'a Expr, names: &Names<'a>) -> Marks {
    let mut found = Marks::default();
    add_marks(value, names, NESTING, &mut found);
    found
}

fn add_marks<'a>(value: &'a Expr, names: &Names<'a>, left: usize, found: &mut Marks) {
    let value = names.value(value);
    if let Some(mark) = mark(value, names) {
        found.marks.push(mark);
        return;
    }
    match (left.checked_sub(1), value) {
        (Some(left), Expr::List(list)) => list.elts.iter().for_each(|element| add_marks(element, names, left, found)),
        (Some(left), Expr::Tuple(tuple)) => {
            tuple.elts.iter().for_each(|element| add_marks(element, names, left, found))
        }
        (Some(left), Expr::BinOp(sum)) if sum.op == Operator::Add => {
            add_marks(&sum.left, names, left, found);
            add_marks(&sum.right, names, left, found);
        }
        _ => found.computed = true,
    }
}

fn fixture<'a>(function: &str, call: Option<&'a ExprCall>, names: &Names<'a>) -> Fixture {
    let mut found = Fixture { autouse: Some(false), scope: "function".into(), ..Fixture::default() };
    let Some(call) = call else { return found };
    let arguments = &call.arguments;
    // Positional arguments are from before pytest 6.
    found.computed = !arguments.args.is_empty() || arguments.keywords.iter().any(|keyword| keyword.arg.is_none());
    match keyword(&arguments.keywords, "name") {
        None | Some(Expr::NoneLiteral(_)) => {}
        Some(Expr::StringLiteral(literal)) => found.name = Some(literal.value.to_str().into()),
        Some(_) => found.computed = true,
    }
    match keyword(&arguments.keywords, "autouse") {
        None => {}
        Some(Expr::BooleanLiteral(literal)) => found.autouse = Some(literal.value),
        Some(_) => found.autouse = None,
    }
    match keyword(&arguments.keywords, "scope") {
        None => {}
        Some(Expr::StringLiteral(literal)) => found.scope = literal.value.to_str().into(),
        Some(_) => found.scope = "".into(),
    }
    match keyword(&arguments.keywords, "params") {
        None | Some(Expr::NoneLiteral(_)) => {}
        Some(params) => {
            let name = found.name.as_deref().unwrap_or(function);
            found.parameters = Some(fixture_parameters(name, params, keyword(&arguments.keywords, "ids"), names));
        }
    }
    found
}
