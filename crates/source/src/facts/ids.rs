//! The ids of parameter sets that are written out, by pytest's rules.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use ruff_python_ast::{Expr, ExprCall, Keyword, Number, UnaryOp};

use super::names::{Known, Names};
use super::{Parameters, Strings};

/// pytest 9.2 names longer strings by their place; earlier ones do not.
const LONGEST_STRING: usize = 100;

/// Classes of `builtins` by whose name a parameter is called.
const BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "str",
    "tuple",
    "type",
    "Exception",
    "ValueError",
    "TypeError",
    "KeyError",
    "IndexError",
    "AttributeError",
    "RuntimeError",
    "OSError",
    "ImportError",
    "len",
    "sorted",
    "repr",
    "abs",
    "sum",
    "min",
    "max",
    "iter",
    "next",
];

/// What `parametrize` is called with.
pub(super) fn parametrize<'a>(call: &'a ExprCall, names: &Names<'a>) -> Parameters {
    let argument = |place, name| argument(call, place, name);
    let indirect = match argument(2, "indirect") {
        None => Some(false),
        Some(Expr::BooleanLiteral(literal)) => Some(literal.value),
        Some(_) => None,
    };
    let starred = call.arguments.args.iter().any(|one| matches!(one, Expr::Starred(_)))
        || call.arguments.keywords.iter().any(|keyword| keyword.arg.is_none());
    let parameter_names = match (starred, argument(0, "argnames")) {
        (false, Some(argument)) => argnames(names.value(argument)),
        _ => None,
    };
    let Some((parameter_names, wrapped)) = parameter_names else {
        return Parameters { indirect, ..Parameters::default() };
    };
    let values = argument(1, "argvalues").map(|values| names.value(values));
    let ids = match (values, wrapped) {
        (Some(values), Some(wrapped)) => set_ids(&parameter_names, wrapped, values, argument(3, "ids"), names),
        _ => None,
    };
    Parameters { names: parameter_names, ids, indirect }
}

/// The parameters of a fixture.
pub(super) fn fixture_parameters<'a>(
    fixture: &str,
    params: &'a Expr,
    ids: Option<&'a Expr>,
    names: &Names<'a>,
) -> Parameters {
    let own: Vec<Box<str>> = vec![fixture.into()];
    let ids = set_ids(&own, true, names.value(params), ids, names);
    Parameters { names: own, ids, indirect: Some(true) }
}

fn argument<'a>(call: &'a ExprCall, place: usize, name: &str) -> Option<&'a Expr> {
    call.arguments.args.get(place).or_else(|| keyword(&call.arguments.keywords, name))
}

pub(super) fn keyword<'a>(keywords: &'a [Keyword], name: &str) -> Option<&'a Expr> {
    keywords
        .iter()
        .find(|keyword| keyword.arg.as_ref().is_some_and(|arg| arg.as_str() == name))
        .map(|keyword| &keyword.value)
}

/// The names, and whether each set is one value and no tuple: what a comma behind a single name means depends on the release of pytest.
fn argnames(expression: &Expr) -> Option<(Vec<Box<str>>, Option<bool>)> {
    if let Expr::StringLiteral(literal) = expression {
        let text = literal.value.to_str();
        let names: Vec<Box<str>> =
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Into::into).collect();
        let wrapped = if names.len() == 1 && text.contains(',') { None } else { Some(names.len() == 1) };
        return Some((names, wrapped));
    }
    let found = strings(expression);
    (!found.computed && !found.literal.is_empty()).then_some((found.literal, Some(false)))
}

/// A string, or a list or tuple of strings.
pub(super) fn strings(expression: &Expr) -> Strings {
    let mut found = Strings::default();
    match expression {
        Expr::StringLiteral(literal) => found.literal.push(literal.value.to_str().into()),
        _ => match elements(expression) {
            None => found.computed = true,
            Some(elements) => {
                for element in elements {
                    match element {
                        Expr::StringLiteral(literal) => found.literal.push(literal.value.to_str().into()),
                        _ => found.computed = true,
                    }
                }
            }
        },
    }
    found
}

pub(super) fn elements(expression: &Expr) -> Option<&[Expr]> {
    match expression {
        Expr::List(list) => Some(&list.elts),
        Expr::Tuple(tuple) => Some(&tuple.elts),
        _ => None,
    }
}

/// One id for each parameter set. What has the same id gets a number behind it.
fn set_ids<'a>(
    argnames: &[Box<str>],
    wrapped: bool,
    values: &'a Expr,
    ids: Option<&'a Expr>,
    names: &Names<'a>,
) -> Option<Vec<String>> {
    let sets = elements(values)?;
    let given = match ids.map(|ids| names.value(ids)) {
        None | Some(Expr::NoneLiteral(_)) => None,
        Some(ids) => Some(elements(ids)?),
    };
    if sets.is_empty() || given.is_some_and(|given| given.len() != sets.len()) {
        return None;
    }
    let mut found = Vec::with_capacity(sets.len());
    for (place, set) in sets.iter().enumerate() {
        found.push(set_id(argnames, wrapped, set, given.map(|given| &given[place]), place, names)?);
    }
    unique(found)
}

fn set_id<'a>(
    argnames: &[Box<str>],
    wrapped: bool,
    set: &'a Expr,
    given: Option<&'a Expr>,
    place: usize,
    names: &Names<'a>,
) -> Option<String> {
    let (mut own, mut values) = (None, None);
    if let Expr::Call(call) = set {
        if names.path(&call.func).as_deref() == Some("pytest.param") {
            if call.arguments.keywords.iter().any(|keyword| keyword.arg.is_none()) {
                return None;
            }
            own = keyword(&call.arguments.keywords, "id").filter(|id| !matches!(id, Expr::NoneLiteral(_)));
            values = Some(&*call.arguments.args);
        }
    }
    if let Some(own) = own {
        // Such an id is a string or hides the parameter.
        return match own {
            Expr::StringLiteral(literal) => Some(escaped(literal.value.to_str())),
            _ => None,
        };
    }
    match given {
        None | Some(Expr::NoneLiteral(_)) => {}
        Some(Expr::StringLiteral(literal)) => return Some(escaped(literal.value.to_str())),
        Some(Expr::NumberLiteral(_) | Expr::BooleanLiteral(_)) => return value_id(given?, "", place, names),
        Some(_) => return None,
    }
    let values = match values {
        Some(values) => values,
        None if wrapped => std::slice::from_ref(set),
        None => elements(set)?,
    };
    if values.len() != argnames.len() || values.iter().any(|value| matches!(value, Expr::Starred(_))) {
        return None;
    }
    let parts: Option<Vec<String>> =
        values.iter().zip(argnames).map(|(value, name)| value_id(value, name, place, names)).collect();
    Some(parts?.join("-"))
}

fn unique(mut ids: Vec<String>) -> Option<Vec<String>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    ids.iter().for_each(|id| *counts.entry(id).or_default() += 1);
    let repeated: HashSet<String> =
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(id, _)| id.to_owned()).collect();
    // Releases of pytest disagree about what comes between a digit and the number.
    if repeated.iter().any(|id| id.is_empty() || id.ends_with(|last: char| last.is_ascii_digit())) {
        return None;
    }
    let mut next: HashMap<String, usize> = HashMap::new();
    for place in 0..ids.len() {
        if !repeated.contains(&ids[place]) {
            continue;
        }
        let number = next.entry(ids[place].clone()).or_default();
        let mut candidate = format!("{}{number}", ids[place]);
        while ids.contains(&candidate) {
            *number += 1;
            candidate = format!("{}{number}", ids[place]);
        }
        *number += 1;
        ids[place] = candidate;
    }
    Some(ids)
}

/// `None` if it depends on more than the text.
fn value_id(value: &Expr, argname: &str, place: usize, names: &Names) -> Option<String> {
    let by_name = || Some(format!("{argname}{place}"));
    match value {
        Expr::StringLiteral(literal) => {
            let text = literal.value.to_str();
            (text.chars().count() <= LONGEST_STRING).then(|| escaped(text))
        }
        Expr::BytesLiteral(literal) => {
            let bytes: Vec<u8> = literal.value.bytes().collect();
            (bytes.len() <= LONGEST_STRING).then(|| escaped_bytes(&bytes))
        }
        Expr::NumberLiteral(literal) => number(&literal.value, false),
        Expr::BooleanLiteral(literal) => Some(if literal.value { "True" } else { "False" }.to_owned()),
        Expr::NoneLiteral(_) => Some("None".to_owned()),
        Expr::UnaryOp(unary) if unary.op == UnaryOp::USub => match &*unary.operand {
            Expr::NumberLiteral(literal) => number(&literal.value, true),
            _ => None,
        },
        Expr::Lambda(_) => Some("<lambda>".to_owned()),
        Expr::List(_) | Expr::Tuple(_) | Expr::Dict(_) | Expr::Set(_) | Expr::EllipsisLiteral(_) => by_name(),
        Expr::ListComp(_) | Expr::DictComp(_) | Expr::SetComp(_) => by_name(),
        Expr::Name(name) => match names.get(name.id.as_str()) {
            None => BUILTINS.contains(&name.id.as_str()).then(|| name.id.to_string()),
            Some(Known::Definition) => Some(name.id.to_string()),
            Some(_) => None,
        },
        _ => None,
    }
}

fn number(number: &Number, negative: bool) -> Option<String> {
    let sign = if negative { "-" } else { "" };
    match number {
        Number::Int(int) => match int.as_u64()? {
            0 => Some("0".to_owned()),
            value => Some(format!("{sign}{value}")),
        },
        Number::Float(value) => Some(format!("{sign}{}", float(*value))),
        Number::Complex { .. } => None,
    }
}

/// As Python writes a float that is not negative.
fn float(value: f64) -> String {
    if value.is_infinite() {
        return "inf".to_owned();
    }
    // Both languages write the fewest digits that mean this number; they differ in where the exponent begins.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// As Python's `unicode_escape` writes it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let code = u32::from(character);
        let written = match character {
            '\t' => write!(out, "\\t"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\\' => write!(out, "\\\\"),
            ' '..='~' => write!(out, "{character}"),
            _ if code < 0x100 => write!(out, "\\x{code:02x}"),
            _ if code < 0x1_0000 => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        };
        debug_assert!(written.is_ok());
    }
    out
}

fn escaped_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}
