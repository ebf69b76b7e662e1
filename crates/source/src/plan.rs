//! What has to be done for one assert statement: the steps that pytest's `AssertionRewriter` would make of it, in its order and
//! with its numbers, without the explanation.
//!
//! One counter numbers the temporaries, the explanation's parameters and its partial texts alike. The explanation is built by
//! pytest itself when an assertion fails, so only the count of its parts matters here.

use std::collections::HashSet;

use ruff_python_ast::visitor::{walk_expr, Visitor};
use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprBoolOp, ExprCall, ExprCompare, Operator, UnaryOp};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// Something computed that an expression, a condition or another step refers to.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// A variable, loaded where it is used: pytest does not hold its value.
    Name(TextRange),
    /// An assignment expression, evaluated where it is used.
    Named(TextRange),
    /// A temporary that is said to come from some expression, or from the statement.
    Temporary(u32, Option<TextRange>),
    /// The parts of a chained comparison.
    All(Vec<u32>),
}

#[derive(Debug)]
pub(crate) enum Argument {
    Positional(Operand),
    Starred(Operand),
    Keyword(TextRange, Operand),
    DoubleStarred(Operand),
}

#[derive(Debug)]
pub(crate) enum Value {
    /// Any expression that is taken as a whole, and what it may need brackets for.
    Verbatim(TextRange, Brackets),
    /// A generator that shares its brackets with the call: the range of the brackets.
    Generator(TextRange),
    List,
    Same(Operand),
    Unary(UnaryOp, Operand, TextRange),
    Binary(Operand, Operator, Operand, TextRange),
    Compare(Operand, CmpOp, Operand, TextRange),
    /// The attribute's name and the whole.
    Attribute(Operand, TextRange, TextRange),
    Call(Operand, Vec<Argument>, TextRange),
}

/// When an expression has to be put in brackets where its own have been left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brackets {
    /// It brings brackets of its own.
    Never,
    /// For the line ends in it.
    OverLines,
    /// Wherever it is not all that is assigned.
    Inside,
}

impl Brackets {
    pub fn of(expression: &Expr) -> Self {
        match expression {
            Expr::List(_) | Expr::Dict(_) | Expr::Set(_) | Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) => {
                Brackets::Never
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => Brackets::Inside,
            _ => Brackets::OverLines,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Step {
    Assign(u32, Value),
    /// The steps if the operand is true, or, with `negated`, if it is false. They end in what the result becomes, which is the
    /// operand's value before.
    Branch {
        result: u32,
        condition: Operand,
        negated: bool,
        steps: Vec<Step>,
    },
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    pub condition: Operand,
    /// The temporaries in the order in which they are numbered, which is that in which they are let go of.
    pub temporaries: Vec<u32>,
}

/// Why an assert statement cannot be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unplanned {
    Tuple,
    Walrus,
    Shape,
}

/// The steps for an assert statement's condition in *text*.
///
/// Releases of pytest before 9.2 carry values of assignment expressions from one assert statement to others; *walrus* says that
/// this one does not.
pub(crate) fn plan(text: &str, test: &Expr, walrus: bool) -> Result<Plan, Unplanned> {
    // An empty tuple is an ordinary value; of any other pytest says that it is always true.
    if matches!(test, Expr::Tuple(tuple) if !tuple.elts.is_empty()) {
        return Err(Unplanned::Tuple);
    }
    let assigns = text[test.range()].contains(":=") && !Targets::of(&[test]).names.is_empty();
    if assigns && !walrus {
        return Err(Unplanned::Walrus);
    }
    let mut planner = Planner { text, assigns, counter: 0, temporaries: Vec::new(), steps: Vec::new() };
    let condition = planner.visit(test)?;
    Ok(Plan { steps: planner.steps, condition, temporaries: planner.temporaries })
}

struct Planner<'t> {
    text: &'t str,
    /// Whether there is any assignment expression in it.
    assigns: bool,
    counter: u32,
    temporaries: Vec<u32>,
    steps: Vec<Step>,
}

type Planned<T> = Result<T, Unplanned>;

impl<'t> Planner<'t> {
    fn count(&mut self) -> u32 {
        self.counter += 1;
        self.counter - 1
    }

    fn temporary(&mut self) -> u32 {
        let number = self.count();
        self.temporaries.push(number);
        number
    }

    fn assign(&mut self, value: Value, range: Option<TextRange>) -> Operand {
        let number = self.temporary();
        self.steps.push(Step::Assign(number, value));
        Operand::Temporary(number, range)
    }

    fn visit(&mut self, expression: &Expr) -> Planned<Operand> {
        let range = expression.range();
        match expression {
            Expr::Name(_) => {
                self.count();
                Ok(Operand::Name(range))
            }
            Expr::Named(_) => {
                self.count();
                Ok(Operand::Named(range))
            }
            Expr::BoolOp(inner) => self.visit_bool(inner),
            Expr::Compare(inner) => self.visit_compare(inner),
            Expr::Call(inner) => self.visit_call(inner),
            Expr::UnaryOp(inner) => {
                let operand = self.visit(&inner.operand)?;
                Ok(self.assign(Value::Unary(inner.op, operand, range), Some(range)))
            }
            Expr::BinOp(inner) => {
                let left = self.visit_operand(&inner.left, &[&inner.right])?;
                let right = self.visit(&inner.right)?;
                Ok(self.assign(Value::Binary(left, inner.op, right, range), Some(range)))
            }
            Expr::Attribute(inner) => {
                let value = self.visit(&inner.value)?;
                let operand = self.assign(Value::Attribute(value, inner.attr.range(), range), Some(range));
                self.count();
                Ok(operand)
            }
            // Only the argument of a call can be starred, and that is looked at there.
            Expr::Starred(_) | Expr::IpyEscapeCommand(_) => Err(Unplanned::Shape),
            _ => {
                let operand = self.assign(Value::Verbatim(range, Brackets::of(expression)), Some(range));
                self.count();
                Ok(operand)
            }
        }
    }

    /// A name that an assignment expression further right changes has to be held.
    fn visit_operand(&mut self, expression: &Expr, later: &[&Expr]) -> Planned<Operand> {
        let operand = self.visit(expression)?;
        match operand {
            Operand::Name(range) if self.is_assigned(range, later)? => {
                Ok(self.assign(Value::Same(operand), Some(range)))
            }
            _ => Ok(operand),
        }
    }

    fn is_assigned(&self, name: TextRange, expressions: &[&Expr]) -> Planned<bool> {
        if !self.assigns {
            return Ok(false);
        }
        let names = Targets::of(expressions).names;
        let name = &self.text[name];
        // Other letters may be written in several ways.
        if names.iter().chain([&name]).any(|name| !name.is_ascii()) && !names.is_empty() {
            return Err(Unplanned::Walrus);
        }
        Ok(names.contains(name))
    }

    fn visit_bool(&mut self, expression: &ExprBoolOp) -> Planned<Operand> {
        let result = self.temporary();
        // Of its parts' explanations.
        self.assign(Value::List, None);
        let outer = std::mem::take(&mut self.steps);
        let negated = matches!(expression.op, BoolOp::Or);
        let mut levels: Vec<(Vec<Step>, Operand)> = Vec::new();
        let last = expression.values.len() - 1;
        for (index, value) in expression.values.iter().enumerate() {
            let mut operand = self.visit(value)?;
            self.steps.push(Step::Assign(result, Value::Same(operand.clone())));
            let changed = match value {
                Expr::Named(_) => index < last,
                Expr::Name(_) => {
                    let later: Vec<&Expr> = expression.values[index + 1..].iter().collect();
                    self.is_assigned(value.range(), &later)?
                }
                _ => false,
            };
            if changed {
                operand = self.assign(Value::Same(Operand::Temporary(result, None)), None);
            }
            self.count();
            if index < last {
                levels.push((std::mem::take(&mut self.steps), operand));
            }
        }
        while let Some((mut steps, condition)) = levels.pop() {
            let inner = std::mem::take(&mut self.steps);
            steps.push(Step::Branch { result, condition, negated, steps: inner });
            self.steps = steps;
        }
        let inner = std::mem::replace(&mut self.steps, outer);
        self.steps.extend(inner);
        self.count();
        self.count();
        Ok(Operand::Temporary(result, None))
    }

    fn visit_compare(&mut self, expression: &ExprCompare) -> Planned<Operand> {
        let operands: Vec<&Expr> = expression.comparators.iter().collect();
        let mut left = self.visit_compared(&expression.left, &operands)?;
        let results: Vec<u32> = expression.ops.iter().map(|_| self.temporary()).collect();
        for (index, (&op, &operand)) in expression.ops.iter().zip(&operands).enumerate() {
            let right = self.visit_compared(operand, &operands[index + 1..])?;
            let value = Value::Compare(left, op, right.clone(), expression.range);
            self.steps.push(Step::Assign(results[index], value));
            left = right;
        }
        self.count();
        self.count();
        Ok(match results[..] {
            [only] => Operand::Temporary(only, None),
            _ => Operand::All(results),
        })
    }

    fn visit_compared(&mut self, expression: &Expr, later: &[&Expr]) -> Planned<Operand> {
        let operand = self.visit_operand(expression, later)?;
        Ok(match operand {
            Operand::Named(range) => self.assign(Value::Same(operand), Some(range)),
            _ => operand,
        })
    }

    fn visit_call(&mut self, call: &ExprCall) -> Planned<Operand> {
        // Positional ones first, wherever they stand.
        let operands: Vec<&Expr> =
            call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|keyword| &keyword.value)).collect();
        let function = self.visit_operand(&call.func, &operands)?;
        let mut arguments: Vec<(TextSize, Argument)> = Vec::with_capacity(operands.len());
        for (index, argument) in call.arguments.args.iter().enumerate() {
            let visited = match argument {
                Expr::Starred(starred) => Argument::Starred(self.visit(&starred.value)?),
                Expr::Generator(generator) if !generator.parenthesized => {
                    Argument::Positional(self.visit_generator(call)?)
                }
                _ => Argument::Positional(self.visit_operand(argument, &operands[index + 1..])?),
            };
            arguments.push((argument.start(), visited));
        }
        let behind = call.arguments.args.len() + 1;
        for (index, keyword) in call.arguments.keywords.iter().enumerate() {
            let operand = self.visit_operand(&keyword.value, &operands[behind + index..])?;
            let visited = match &keyword.arg {
                Some(name) => Argument::Keyword(name.range(), operand),
                None => Argument::DoubleStarred(operand),
            };
            arguments.push((keyword.start(), visited));
        }
        // As they stand, so that what the compiler refuses it will still refuse.
        arguments.sort_by_key(|argument| argument.0);
        let arguments = arguments.into_iter().map(|argument| argument.1).collect();
        let range = call.range();
        let result = self.assign(Value::Call(function, arguments, range), Some(range));
        self.count();
        Ok(result)
    }

    /// A generator between the brackets of the call, which are taken for its own.
    fn visit_generator(&mut self, call: &ExprCall) -> Planned<Operand> {
        let brackets = call.arguments.range;
        if call.arguments.args.len() + call.arguments.keywords.len() != 1 {
            return Err(Unplanned::Shape);
        }
        let operand = self.assign(Value::Generator(brackets), Some(brackets));
        self.count();
        Ok(operand)
    }
}

/// The names that assignment expressions bind.
#[derive(Default)]
struct Targets<'e> {
    names: HashSet<&'e str>,
}

impl<'e> Targets<'e> {
    fn of(expressions: &[&'e Expr]) -> Self {
        let mut targets = Self::default();
        expressions.iter().for_each(|expression| targets.visit_expr(expression));
        targets
    }
}

impl<'e> Visitor<'e> for Targets<'e> {
    fn visit_expr(&mut self, expression: &'e Expr) {
        if let Expr::Named(named) = expression {
            if let Expr::Name(name) = &*named.target {
                self.names.insert(name.id.as_str());
            }
        }
        walk_expr(self, expression);
    }
}
