//! The changed text as it grows, and where each part of it comes from.

use std::borrow::Cow;

use ruff_text_size::{TextRange, TextSize};

use crate::locations::{Locations, Origin, Position, Range};

/// Where the lines of a text begin.
pub(crate) struct Lines {
    starts: Vec<u32>,
}

impl Lines {
    /// *text* has no line ends but `\n`.
    pub fn of(text: &str) -> Self {
        let behind = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at as u32 + 1);
        Self { starts: std::iter::once(0).chain(behind).collect() }
    }

    pub fn position(&self, offset: TextSize) -> Position {
        let offset = u32::from(offset);
        let line = self.starts.partition_point(|&start| start <= offset);
        Position { line: line as u32, column: offset - self.starts[line - 1] }
    }

    pub fn range(&self, range: TextRange) -> Range {
        Range { start: self.position(range.start()), end: self.position(range.end()) }
    }
}

pub(crate) struct Writer<'t> {
    text: &'t str,
    pub lines: &'t Lines,
    out: String,
    line: u32,
    line_start: usize,
    origins: Vec<(Position, Origin)>,
    nodes: Vec<(Range, Range)>,
    asserts: Vec<Range>,
}

impl<'t> Writer<'t> {
    pub fn new(text: &'t str, lines: &'t Lines) -> Self {
        let out = String::with_capacity(text.len() * 2);
        Self { text, lines, out, line: 1, line_start: 0, origins: Vec::new(), nodes: Vec::new(), asserts: Vec::new() }
    }

    pub fn position(&self) -> Position {
        Position { line: self.line, column: (self.out.len() - self.line_start) as u32 }
    }

    /// From here on, what is ours belongs to the statement at *range*.
    pub fn begin_assert(&mut self, range: TextRange) {
        self.asserts.push(self.lines.range(range));
        self.note_ours();
    }

    fn note_ours(&mut self) {
        let number = self.asserts.len() as u32 - 1;
        self.origins.push((self.position(), Origin::Assert(number)));
    }

    /// Text of ours, within one line.
    pub fn ours(&mut self, words: &str) {
        let here = self.position();
        match self.origins.last() {
            Some((start, Origin::Assert(_))) if start.line == here.line => {}
            _ => self.note_ours(),
        }
        self.out.push_str(words);
    }

    /// Go down to a line of the original text, between two tokens. Those above are where they were, so it is never passed.
    pub fn go_down(&mut self, line: u32) {
        while self.line < line {
            self.ours("\\");
            self.new_line();
        }
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.line += 1;
        self.line_start = self.out.len();
    }

    /// A part of the original text, at its own line unless a later line has been reached.
    pub fn copy(&mut self, range: TextRange) {
        let mut original = self.lines.position(range.start());
        self.go_down(original.line);
        for (index, line) in self.text[range].split('\n').enumerate() {
            if index > 0 {
                self.new_line();
                original = Position { line: original.line + 1, column: 0 };
            }
            self.origins.push((self.position(), Origin::Copy(original)));
            self.out.push_str(line);
        }
    }

    /// Original text that no assert statement is in. `false` if it does not come to stand at its own line.
    pub fn copy_between(&mut self, range: TextRange) -> bool {
        let original = self.lines.position(range.start());
        let here = self.position();
        if here.line != original.line {
            return false;
        }
        // Even at its own column, behind what is ours.
        if self.origins.last().is_some_and(|(start, _)| start.line == here.line) {
            self.origins.push((here, Origin::Copy(original)));
        }
        let text = &self.text[range];
        let begin = self.out.len();
        self.out.push_str(text);
        if let Some(last) = text.rfind('\n') {
            self.line = self.lines.position(range.end()).line;
            self.line_start = begin + last + 1;
        }
        true
    }

    /// What has been written since *start* is one node, which stands for *original*.
    pub fn node(&mut self, start: Position, original: Range) {
        let range = Range { start, end: self.position() };
        self.nodes.push((range, original));
    }

    /// What has been written since *start* is one node, which stands for the whole statement.
    pub fn statement_node(&mut self, start: Position) {
        if let Some(&statement) = self.asserts.last() {
            self.node(start, statement);
        }
    }

    pub fn source(&self, range: TextRange) -> &'t str {
        &self.text[range]
    }

    pub fn finish(self) -> (String, Locations) {
        (self.out, Locations::new(self.origins, self.nodes, self.asserts))
    }
}

/// A string literal of this value, on one line.
pub(crate) fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    literal.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

/// *text* with `\n` as its only line end, as CPython reads it.
pub(crate) fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
