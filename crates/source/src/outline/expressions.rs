//! From the parser's tree to that of Python's `ast` module: expressions and parameters.

use ruff_python_ast::{Comprehension, Expr, ExprContext, Keyword, Number, Parameter, Parameters};

use super::build::Builder;
use super::integers;
use super::tree::{Field, Kind, Value, DEL, LOAD, STORE};

impl<'a> Builder<'a> {
    pub(super) fn expression(&mut self, field: Field, expression: &'a Expr) {
        match expression {
            Expr::Name(one) => self.leaf(Kind::Name, field, context(one.ctx), Value::Name(&one.id)),
            Expr::Attribute(one) => {
                self.valued(Kind::Attribute, field, context(one.ctx), Value::Name(&one.attr), |builder| {
                    builder.expression(Field::Value, &one.value);
                });
            }
            Expr::Call(one) => self.node(Kind::Call, field, |builder| {
                builder.expression(Field::Func, &one.func);
                builder.expressions(Field::Args, &one.arguments.args);
                builder.keywords(&one.arguments.keywords);
            }),
            Expr::Subscript(one) => {
                self.valued(Kind::Subscript, field, context(one.ctx), Value::Nothing, |builder| {
                    builder.expression(Field::Value, &one.value);
                    builder.expression(Field::Slice, &one.slice);
                });
            }
            Expr::Starred(one) => {
                self.valued(Kind::Starred, field, context(one.ctx), Value::Nothing, |builder| {
                    builder.expression(Field::Value, &one.value);
                });
            }
            Expr::List(one) => {
                self.valued(Kind::List, field, context(one.ctx), Value::Nothing, |builder| {
                    builder.expressions(Field::Elts, &one.elts);
                });
            }
            Expr::Tuple(one) => {
                self.valued(Kind::Tuple, field, context(one.ctx), Value::Nothing, |builder| {
                    builder.expressions(Field::Elts, &one.elts);
                });
            }
            Expr::StringLiteral(one) => self.string(field, one),
            Expr::BytesLiteral(one) => self.bytes(field, one),
            Expr::FString(one) => self.f_string(field, one),
            Expr::TString(one) => self.t_string(field, one),
            Expr::NumberLiteral(one) => self.number(field, &one.value),
            Expr::BooleanLiteral(one) => self.leaf(Kind::Constant, field, 0, Value::Boolean(one.value)),
            Expr::NoneLiteral(_) => self.leaf(Kind::Constant, field, 0, Value::Null),
            Expr::EllipsisLiteral(_) => self.leaf(Kind::Constant, field, 0, Value::Ellipsis),
            _ => self.compound(field, expression),
        }
    }

    fn compound(&mut self, field: Field, expression: &'a Expr) {
        match expression {
            Expr::BoolOp(one) => self.valued(Kind::BoolOp, field, one.op as u8, Value::Nothing, |builder| {
                builder.expressions(Field::Values, &one.values);
            }),
            Expr::Named(one) => self.node(Kind::NamedExpr, field, |builder| {
                builder.expression(Field::Target, &one.target);
                builder.expression(Field::Value, &one.value);
            }),
            Expr::BinOp(one) => self.valued(Kind::BinOp, field, one.op as u8, Value::Nothing, |builder| {
                builder.expression(Field::Left, &one.left);
                builder.expression(Field::Right, &one.right);
            }),
            Expr::UnaryOp(one) => self.valued(Kind::UnaryOp, field, one.op as u8, Value::Nothing, |builder| {
                builder.expression(Field::Operand, &one.operand);
            }),
            Expr::Lambda(one) => {
                self.scopes.push(None);
                self.node(Kind::Lambda, field, |builder| {
                    match &one.parameters {
                        Some(parameters) => builder.parameters(parameters),
                        None => builder.leaf(Kind::Arguments, Field::Args, 0, Value::Nothing),
                    }
                    builder.expression(Field::Body, &one.body);
                });
                self.scopes.pop();
            }
            Expr::If(one) => self.node(Kind::IfExp, field, |builder| {
                builder.expression(Field::Test, &one.test);
                builder.expression(Field::Body, &one.body);
                builder.expression(Field::OrElse, &one.orelse);
            }),
            Expr::Dict(one) => self.node(Kind::Dict, field, |builder| {
                for item in &one.items {
                    match &item.key {
                        Some(key) => builder.expression(Field::Keys, key),
                        None => builder.leaf(Kind::Absent, Field::Keys, 0, Value::Nothing),
                    }
                }
                builder.expressions(Field::Values, one.items.iter().map(|item| &item.value));
            }),
            Expr::Set(one) => self.node(Kind::Set, field, |builder| builder.expressions(Field::Elts, &one.elts)),
            Expr::ListComp(one) => self.comprehension(Kind::ListComp, field, None, &one.elt, &one.generators),
            Expr::SetComp(one) => self.comprehension(Kind::SetComp, field, None, &one.elt, &one.generators),
            Expr::Generator(one) => self.comprehension(Kind::GeneratorExp, field, None, &one.elt, &one.generators),
            Expr::DictComp(one) => {
                self.comprehension(Kind::DictComp, field, one.key.as_deref(), &one.value, &one.generators);
            }
            Expr::Await(one) => {
                self.node(Kind::Await, field, |builder| builder.expression(Field::Value, &one.value));
            }
            Expr::Yield(one) => {
                self.yields();
                self.node(Kind::Yield, field, |builder| builder.optional(Field::Value, one.value.as_deref()));
            }
            Expr::YieldFrom(one) => {
                self.yields();
                self.node(Kind::YieldFrom, field, |builder| builder.expression(Field::Value, &one.value));
            }
            Expr::Compare(one) => self.valued(Kind::Compare, field, 0, Value::Operators(&one.ops), |builder| {
                builder.expression(Field::Left, &one.left);
                builder.expressions(Field::Comparators, &one.comparators);
            }),
            Expr::Slice(one) => self.node(Kind::Slice, field, |builder| {
                builder.optional(Field::Lower, one.lower.as_deref());
                builder.optional(Field::Upper, one.upper.as_deref());
                builder.optional(Field::Step, one.step.as_deref());
            }),
            _ => self.leaf(Kind::Absent, field, 0, Value::Nothing),
        }
    }

    /// The function around has a `yield`.
    fn yields(&mut self) {
        if let Some(Some(function)) = self.scopes.last() {
            self.tree.nodes[*function as usize].flag = 1;
        }
    }

    fn comprehension(
        &mut self,
        kind: Kind,
        field: Field,
        key: Option<&'a Expr>,
        element: &'a Expr,
        generators: &'a [Comprehension],
    ) {
        self.node(kind, field, |builder| {
            builder.optional(Field::Key, key);
            builder.expression(Field::Elt, element);
            for one in generators {
                let (kind, field) = (Kind::Comprehension, Field::Generators);
                builder.valued(kind, field, u8::from(one.is_async), Value::Nothing, |builder| {
                    builder.expression(Field::Target, &one.target);
                    builder.expression(Field::Iter, &one.iter);
                    builder.expressions(Field::Ifs, &one.ifs);
                });
            }
        });
    }

    pub(super) fn keywords(&mut self, keywords: &'a [Keyword]) {
        for one in keywords {
            let name = one.arg.as_ref().map_or(Value::Nothing, |name| Value::Name(name));
            self.valued(Kind::Keyword, Field::Keywords, 0, name, |builder| {
                builder.expression(Field::Value, &one.value);
            });
        }
    }

    pub(super) fn parameters(&mut self, all: &'a Parameters) {
        self.node(Kind::Arguments, Field::Args, |builder| {
            for (field, some) in [(Field::PosOnly, &all.posonlyargs), (Field::Positional, &all.args)] {
                some.iter().for_each(|one| builder.parameter(field, &one.parameter));
            }
            all.vararg.iter().for_each(|one| builder.parameter(Field::VarArg, one));
            all.kwonlyargs.iter().for_each(|one| builder.parameter(Field::KwOnly, &one.parameter));
            for one in &all.kwonlyargs {
                match &one.default {
                    Some(default) => builder.expression(Field::KwDefaults, default),
                    None => builder.leaf(Kind::Absent, Field::KwDefaults, 0, Value::Nothing),
                }
            }
            all.kwarg.iter().for_each(|one| builder.parameter(Field::KwArg, one));
            let positional = all.posonlyargs.iter().chain(&all.args);
            builder.expressions(Field::Defaults, positional.filter_map(|one| one.default.as_deref()));
        });
    }

    fn parameter(&mut self, field: Field, one: &'a Parameter) {
        self.valued(Kind::Arg, field, 0, Value::Name(&one.name), |builder| {
            builder.optional(Field::Annotation, one.annotation.as_deref());
        });
    }

    fn number(&mut self, field: Field, number: &'a Number) {
        let value = match number {
            Number::Float(float) => Value::Float(float.to_bits()),
            Number::Complex { imag, .. } => Value::Imaginary(imag.to_bits()),
            Number::Int(integer) => match integer.as_u64() {
                Some(small) => Value::Integer(small),
                None => {
                    self.tree.integers.push(integers::canonical(&integer.to_string()));
                    Value::BigInteger(self.tree.integers.len() as u32 - 1)
                }
            },
        };
        self.leaf(Kind::Constant, field, 0, value);
    }
}

fn context(context: ExprContext) -> u8 {
    match context {
        ExprContext::Store => STORE,
        ExprContext::Del => DEL,
        ExprContext::Load | ExprContext::Invalid => LOAD,
    }
}
