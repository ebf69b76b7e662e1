//! The text of a module with its assert statements captured.

use ruff_python_ast::{ElifElseClause, ExceptHandler, Expr, PySourceType, Stmt, StmtAssert};
use ruff_python_parser::parse_unchecked_source;
use ruff_text_size::{Ranged, TextLen, TextRange, TextSize};

use crate::depth;
use crate::locations::{Locations, Position, Range};
use crate::plan::{plan, Argument, Brackets, Operand, Plan, Step, Unplanned, Value};
use crate::writer::{literal, with_plain_line_ends, Lines, Writer};

/// Enough for walking and dropping the deepest tree that [`depth`] lets pass.
const STACK: usize = 96 << 20;
/// Positions are 32 bits wide in the tree; nobody writes such files.
const LONGEST: usize = 64 << 20;

/// What depends on the release of pytest whose rewriting is to be equalled, and on the interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether pytest keeps assignment expressions where they are (9.2 and later).
    pub walrus: bool,
    /// Whether the compiler says of a condition that it is asked for its truth where it stands, and not where the statement does
    /// (CPython 3.12 and later).
    pub truth_at_condition: bool,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    /// pytest leaves a module alone if it is empty or says so in its docstring.
    Untouched,
    Captured(Captured),
    Declined(Decline),
}

#[derive(Clone, Debug)]
pub struct Captured {
    /// As many lines as the original, each statement where it was.
    pub text: String,
    pub locations: Locations,
    /// The identifiers that stand for names which no text can say, and those names.
    pub names: Vec<(String, String)>,
}

/// Why a file is left to pytest's own rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decline {
    /// It cannot be parsed. Saying why is the compiler's business.
    Syntax,
    /// An assert statement with a tuple, of which pytest warns.
    Tuple,
    /// Assignment expressions that this release of pytest moves about.
    Walrus,
    /// Deeper than what is compiled, or larger than what is read.
    Excessive,
    /// An assert statement of a kind that is not known here.
    Shape,
}

impl From<Unplanned> for Decline {
    fn from(reason: Unplanned) -> Self {
        match reason {
            Unplanned::Tuple => Decline::Tuple,
            Unplanned::Walrus => Decline::Walrus,
            Unplanned::Shape => Decline::Shape,
        }
    }
}

/// Capture the assert statements of a module. Never fails: what cannot be captured faithfully is declined as a whole.
///
/// *text* is without a byte order mark.
pub fn capture(text: &str, options: Options) -> Outcome {
    if text.len() > LONGEST {
        return Outcome::Declined(Decline::Excessive);
    }
    let text = with_plain_line_ends(text);
    if text.contains('\0') {
        return Outcome::Declined(Decline::Syntax);
    }
    if !text.contains("assert") && !text.contains("REWRITE") {
        // A parser would say no more than that.
        return if is_blank(&text) { Outcome::Untouched } else { unchanged(text.into_owned()) };
    }
    stacker::grow(STACK, || capture_parsed(&text, options))
}

fn unchanged(text: String) -> Outcome {
    Outcome::Captured(Captured { text, locations: Locations::default(), names: Vec::new() })
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let words = line.trim_start_matches([' ', '\t', '\x0c']);
        words.is_empty() || words.starts_with('#')
    })
}

fn capture_parsed(text: &str, options: Options) -> Outcome {
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    if depth::is_excessive(parsed.tokens().iter().map(|token| token.kind())) {
        // Dropping it would recurse as deep as it is.
        std::mem::forget(parsed);
        return Outcome::Declined(Decline::Excessive);
    }
    if !parsed.errors().is_empty() {
        return Outcome::Declined(Decline::Syntax);
    }
    let body = parsed.suite();
    if body.is_empty() || is_disabled(body) {
        return Outcome::Untouched;
    }
    let mut sites = Vec::new();
    find(body, None, &mut sites);
    match write(text, &sites, options) {
        Ok(captured) => Outcome::Captured(captured),
        Err(reason) => Outcome::Declined(reason),
    }
}

/// Whether what pytest takes for the docstring asks it to leave the module alone.
fn is_disabled(body: &[Stmt]) -> bool {
    for statement in body {
        match statement {
            Stmt::Expr(expression) => match &*expression.value {
                Expr::StringLiteral(string) => return string.value.to_str().contains("PYTEST_DONT_REWRITE"),
                _ => return false,
            },
            Stmt::ImportFrom(import)
                if import.level == 0 && import.module.as_ref().is_some_and(|name| name.as_str() == "__future__") => {}
            _ => return false,
        }
    }
    false
}

/// An assert statement, and the class whose private names are meant in it.
struct Site<'b> {
    assert: &'b StmtAssert,
    class: Option<&'b str>,
}

/// All assert statements, as they stand.
fn find<'b>(body: &'b [Stmt], class: Option<&'b str>, sites: &mut Vec<Site<'b>>) {
    for statement in body {
        match statement {
            Stmt::Assert(assert) => sites.push(Site { assert, class }),
            Stmt::FunctionDef(function) => find(&function.body, class, sites),
            Stmt::ClassDef(definition) => find(&definition.body, Some(definition.name.as_str()), sites),
            Stmt::If(inner) => {
                find(&inner.body, class, sites);
                for ElifElseClause { body, .. } in &inner.elif_else_clauses {
                    find(body, class, sites);
                }
            }
            Stmt::For(inner) => {
                find(&inner.body, class, sites);
                find(&inner.orelse, class, sites);
            }
            Stmt::While(inner) => {
                find(&inner.body, class, sites);
                find(&inner.orelse, class, sites);
            }
            Stmt::With(inner) => find(&inner.body, class, sites),
            Stmt::Match(inner) => inner.cases.iter().for_each(|case| find(&case.body, class, sites)),
            Stmt::Try(inner) => {
                find(&inner.body, class, sites);
                for ExceptHandler::ExceptHandler(handler) in &inner.handlers {
                    find(&handler.body, class, sites);
                }
                find(&inner.orelse, class, sites);
                find(&inner.finalbody, class, sites);
            }
            _ => {}
        }
    }
}

fn write(text: &str, sites: &[Site], options: Options) -> Result<Captured, Decline> {
    let lines = Lines::of(text);
    let prefix = free_prefix(text);
    let mut scribe = Scribe {
        writer: Writer::new(text, &lines),
        prefix: &prefix,
        highest: None,
        truth_at_condition: options.truth_at_condition,
    };
    let mut written = TextSize::new(0);
    for site in sites {
        let range = site.assert.range;
        let plan = plan(text, &site.assert.test, options.walrus)?;
        if !scribe.writer.copy_between(TextRange::new(written, range.start())) {
            return Err(Decline::Shape);
        }
        scribe.statement(site, &plan);
        written = range.end();
    }
    if !scribe.writer.copy_between(TextRange::new(written, text.text_len())) {
        return Err(Decline::Shape);
    }
    let names = scribe.names();
    let (text, locations) = scribe.writer.finish();
    Ok(Captured { text, locations, names })
}

/// What no identifier of the text begins with.
fn free_prefix(text: &str) -> String {
    let mut number = 0;
    loop {
        let prefix = format!("Q{number}_");
        if !text.contains(&prefix) {
            return prefix;
        }
        number += 1;
    }
}

/// Writes plans as text.
struct Scribe<'t> {
    writer: Writer<'t>,
    prefix: &'t str,
    /// The number of the last temporary, over all statements.
    highest: Option<u32>,
    truth_at_condition: bool,
}

impl Scribe<'_> {
    /// The identifiers in the text, and what they stand for.
    fn names(&self) -> Vec<(String, String)> {
        let Some(highest) = self.highest else { return Vec::new() };
        let ours = [("m", "@pytest_ar"), ("e", "@dx_explain"), ("t", "@dx_explain_with")];
        let ours = ours.map(|(short, name)| (format!("{}{short}", self.prefix), name.to_owned()));
        let temporaries =
            (0..=highest).map(|number| (format!("{}{number}", self.prefix), format!("@py_assert{number}")));
        ours.into_iter().chain(temporaries).collect()
    }

    fn statement(&mut self, site: &Site, plan: &Plan) {
        let assert = site.assert;
        self.writer.begin_assert(assert.range);
        self.highest = self.highest.max(plan.temporaries.iter().copied().max()).or(Some(0));
        for step in &plan.steps {
            match step {
                Step::Assign(number, value) => {
                    self.temporary(*number, "=");
                    self.value(value, false);
                }
                // The value is the result's anyway; a value that is dropped would leave an instruction that is nowhere.
                Step::Branch { result, .. } => {
                    self.temporary(*result, "=");
                    self.expression(step);
                }
            }
            self.writer.ours(";");
        }
        if matches!(plan.condition, Operand::Temporary(_, None) | Operand::All(_)) {
            self.writer.ours("assert ");
            self.operand(&plan.condition);
            self.writer.ours(",");
        } else {
            // Twice not, which costs nothing: the condition is where its operand is, but the exception is raised by the statement.
            self.writer.ours("assert not(not ");
            self.operand(&plan.condition);
            self.writer.ours("),");
        }
        self.explanation(site);
        if !plan.temporaries.is_empty() {
            self.writer.ours(";");
            plan.temporaries.iter().for_each(|&number| self.temporary(number, "="));
            self.writer.ours("None");
        }
    }

    /// With a message it is made in two parts, because the message is computed in between.
    fn explanation(&mut self, site: &Site) {
        let test = self.writer.source(site.assert.test.range());
        let class = match site.class {
            Some(class) if test.contains("__") => format!(",{}", literal(class)),
            _ => String::new(),
        };
        let kind = if site.assert.msg.is_some() { "t" } else { "e" };
        let prefix = self.prefix;
        self.writer.ours(&format!("{prefix}m.{prefix}{kind}({}{class}", literal(test)));
        if let Some(message) = &site.assert.msg {
            self.writer.ours(")(");
            self.verbatim(message.range(), Brackets::of(message) == Brackets::Inside);
        }
        self.writer.go_down(self.writer.lines.position(site.assert.range.end()).line);
        self.writer.ours(")");
    }

    fn temporary(&mut self, number: u32, behind: &str) {
        let words = format!("{}{number}{behind}", self.prefix);
        self.writer.ours(&words);
    }

    /// A step where only expressions can be.
    fn expression(&mut self, step: &Step) {
        match step {
            Step::Assign(number, value) => {
                self.temporary(*number, ":=");
                self.value(value, true);
            }
            Step::Branch { result, condition: Operand::All(numbers), negated, steps } => {
                // Only as the condition of a conditional expression its parts are asked once.
                self.sequence(steps);
                self.writer.ours(if *negated { "if not " } else { "if " });
                self.all(numbers);
                self.writer.ours(" else ");
                self.temporary(*result, "");
            }
            Step::Branch { condition, negated, steps, .. } => {
                let start = self.start_with(condition);
                self.operand(condition);
                self.writer.ours(if *negated { " or " } else { " and " });
                self.sequence(steps);
                // The operator asks whether the condition is true, which is said to be done where the condition is, or by the statement.
                if self.truth_at_condition {
                    if let Operand::Name(range) | Operand::Named(range) | Operand::Temporary(_, Some(range)) = condition
                    {
                        self.writer.node(start, self.writer.lines.range(*range));
                    }
                } else {
                    self.writer.statement_node(start);
                }
            }
        }
    }

    /// Steps one after the other; the value is the last one's.
    fn sequence(&mut self, steps: &[Step]) {
        self.writer.ours("(");
        for (index, step) in steps.iter().enumerate() {
            if index > 0 {
                self.writer.ours(",");
            }
            self.expression(step);
        }
        self.writer.ours(if steps.len() > 1 { ")[-1]" } else { ")" });
    }

    fn all(&mut self, numbers: &[u32]) {
        self.writer.ours("(");
        for (index, &number) in numbers.iter().enumerate() {
            if index > 0 {
                self.writer.ours(" and ");
            }
            self.temporary(number, "");
        }
        self.writer.ours(")");
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Name(range) => self.writer.copy(*range),
            Operand::Named(range) => self.verbatim(*range, true),
            Operand::Temporary(number, range) => {
                let start = self.writer.position();
                self.temporary(*number, "");
                if let Some(range) = range {
                    self.writer.node(start, self.writer.lines.range(*range));
                }
            }
            Operand::All(numbers) => self.all(numbers),
        }
    }

    /// Where a node will begin that begins with this operand.
    fn start_with(&mut self, operand: &Operand) -> Position {
        if let Operand::Name(range) | Operand::Named(range) = operand {
            self.writer.go_down(self.writer.lines.position(range.start()).line);
        }
        self.writer.position()
    }

    fn verbatim(&mut self, range: TextRange, brackets: bool) {
        self.writer.go_down(self.writer.lines.position(range.start()).line);
        if brackets {
            self.writer.ours("(");
        }
        self.writer.copy(range);
        if brackets {
            self.writer.ours(")");
        }
    }

    /// *inside*: of an expression, not all of a statement's right side.
    fn value(&mut self, value: &Value, inside: bool) {
        let start = match value {
            Value::Binary(left, ..) | Value::Compare(left, ..) | Value::Call(left, ..) => self.start_with(left),
            _ => self.writer.position(),
        };
        let range = match value {
            Value::List => return self.writer.ours("[]"),
            Value::Same(operand) => return self.operand(operand),
            Value::Verbatim(range, brackets) => {
                let needed = match brackets {
                    Brackets::Never => false,
                    Brackets::OverLines => self.writer.source(*range).contains('\n'),
                    Brackets::Inside => inside || self.writer.source(*range).contains('\n'),
                };
                return self.verbatim(*range, needed);
            }
            Value::Generator(range) => return self.writer.copy(*range),
            Value::Unary(operator, operand, range) => {
                self.writer.ours(operator.as_str());
                self.writer.ours(" ");
                self.operand(operand);
                *range
            }
            Value::Binary(left, operator, right, range) => {
                self.infix(left, operator.as_str(), right);
                *range
            }
            Value::Compare(left, operator, right, range) => {
                self.infix(left, operator.as_str(), right);
                *range
            }
            Value::Attribute(value, name, range) => return self.attribute(value, *name, *range),
            Value::Call(function, arguments, range) => {
                self.operand(function);
                self.writer.ours("(");
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        self.writer.ours(",");
                    }
                    self.argument(argument);
                }
                self.writer.ours(")");
                *range
            }
        };
        self.writer.node(start, self.writer.lines.range(range));
    }

    fn infix(&mut self, left: &Operand, operator: &str, right: &Operand) {
        self.operand(left);
        self.writer.ours(" ");
        self.writer.ours(operator);
        self.writer.ours(" ");
        self.operand(right);
    }

    fn argument(&mut self, argument: &Argument) {
        let operand = match argument {
            Argument::Positional(operand) => operand,
            Argument::Starred(operand) => {
                self.writer.ours("*");
                operand
            }
            Argument::DoubleStarred(operand) => {
                self.writer.ours("**");
                operand
            }
            Argument::Keyword(name, operand) => {
                self.writer.ours(self.writer.source(*name));
                self.writer.ours("=");
                operand
            }
        };
        self.operand(operand);
    }

    /// Of an attribute over several lines, compilers say that it is where its name is.
    fn attribute(&mut self, value: &Operand, name: TextRange, range: TextRange) {
        let start = self.start_with(value);
        self.operand(value);
        self.writer.ours(".");
        let name_start = self.writer.position();
        self.writer.ours(self.writer.source(name));
        let range = self.writer.lines.range(range);
        let length = self.writer.source(name).chars().count() as u32;
        let short = Range {
            start: Position { line: range.end.line, column: range.end.column.saturating_sub(length) },
            end: range.end,
        };
        self.writer.node(start, if range.start.line == range.end.line { range } else { short });
        if matches!(value, Operand::Named(_)) {
            self.writer.node(name_start, short);
        }
    }
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
