//! One pass over the tokens of a module: what names are mentioned where, which functions are generators, and a hash of the code.
//!
//! Comments, blank lines and other space between tokens leave the hash as it is. Within an f-string the text itself counts, because it
//! can show (`f"{x = }"`).

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::walk::Span;
use super::{Bound, Digest, DynamicImport, Facts, Mentions};
use crate::writer::Lines;

/// Behind each piece of text: no byte of UTF-8.
const END: u8 = 0xff;

pub(super) fn look(text: &str, tokens: &Tokens, lines: &Lines, spans: &[Span], docs: &[TextRange], facts: &mut Facts) {
    let mut pass = Pass {
        text,
        lines,
        spans,
        docs,
        facts,
        bytes: Vec::with_capacity(text.len()),
        depth: 0,
        open: Vec::new(),
        next: 0,
        formatted: None,
        call: None,
    };
    let mut skip_end = false;
    let mut passed_over: Vec<(usize, TextRange)> = Vec::new();
    for token in tokens.iter() {
        let (kind, range) = token.as_tuple();
        if matches!(kind, TokenKind::Comment | TokenKind::NonLogicalNewline) {
            continue;
        }
        if pass.is_in_docstring(range) {
            skip_end = true;
            passed_over.push((pass.bytes.len(), range));
            continue;
        }
        let silent = std::mem::take(&mut skip_end) && matches!(kind, TokenKind::Newline | TokenKind::Semi);
        pass.token(kind, range, silent);
    }
    pass.end_call(false);
    pass.close_all();
    pass.facts.whole = hash_whole(text, &pass.bytes, &passed_over);
}

/// A function whose body the pass is in.
struct Open {
    function: usize,
    /// How far its `def` is indented.
    depth: usize,
    /// Whether the body is on the line of the `def`; unknown until the first token.
    inline: Option<bool>,
    is_generator: bool,
}

/// A name that imports when it is called, and what has come behind it.
struct Call {
    callee: TextRange,
    bracket: bool,
    module: Option<TextRange>,
}

struct Pass<'a> {
    text: &'a str,
    lines: &'a Lines,
    spans: &'a [Span],
    docs: &'a [TextRange],
    facts: &'a mut Facts,
    bytes: Vec<u8>,
    depth: usize,
    open: Vec<Open>,
    /// The function whose body comes next.
    next: usize,
    /// Where an f-string has begun, and how many have begun within.
    formatted: Option<(TextSize, usize)>,
    call: Option<Call>,
}

impl Pass<'_> {
    fn is_in_docstring(&mut self, range: TextRange) -> bool {
        while let Some((first, rest)) = self.docs.split_first() {
            if range.start() < first.end() {
                return first.start() <= range.start();
            }
            self.docs = rest;
        }
        false
    }

    fn token(&mut self, kind: TokenKind, range: TextRange, silent: bool) {
        if let Some(innermost) = self.open.last_mut() {
            innermost.inline.get_or_insert(kind != TokenKind::Newline);
        }
        self.look(kind, range);
        match kind {
            TokenKind::Indent => self.depth += 1,
            TokenKind::Dedent => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if !silent {
            self.write(kind, range);
        }
        match kind {
            TokenKind::Newline => self.close(|open, _| open.inline == Some(true)),
            TokenKind::Dedent => self.close(|open, depth| open.inline != Some(true) && depth <= open.depth),
            TokenKind::Colon => self.enter(range),
            _ => {}
        }
    }

    fn write(&mut self, kind: TokenKind, range: TextRange) {
        match (kind, self.formatted) {
            (TokenKind::FStringStart | TokenKind::TStringStart, None) => self.formatted = Some((range.start(), 0)),
            (TokenKind::FStringStart | TokenKind::TStringStart, Some((start, depth))) => {
                self.formatted = Some((start, depth + 1));
            }
            (TokenKind::FStringEnd | TokenKind::TStringEnd, Some((start, 0))) => {
                self.formatted = None;
                self.piece(TokenKind::FStringStart, TextRange::new(start, range.end().max(start)));
            }
            (TokenKind::FStringEnd | TokenKind::TStringEnd, Some((start, depth))) => {
                self.formatted = Some((start, depth - 1));
            }
            (_, Some(_)) => {}
            (
                TokenKind::Name
                | TokenKind::Int
                | TokenKind::Float
                | TokenKind::Complex
                | TokenKind::String
                | TokenKind::IpyEscapeCommand
                | TokenKind::Unknown,
                None,
            ) => self.piece(kind, range),
            (TokenKind::EndOfFile, None) => {}
            (_, None) => self.bytes.push(kind as u8),
        }
    }

    fn piece(&mut self, kind: TokenKind, range: TextRange) {
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(self.text.get(range.start().into()..range.end().into()).unwrap_or("").as_bytes());
        self.bytes.push(END);
    }

    /// The colon at *range* may be the one before a body.
    fn enter(&mut self, range: TextRange) {
        let Some(span) = self.spans.get(self.next) else { return };
        if range.start() < span.signature_end || self.formatted.is_some() {
            return;
        }
        self.open.push(Open { function: self.next, depth: self.depth, inline: None, is_generator: false });
        self.next += 1;
    }

    fn close(&mut self, ends: impl Fn(&Open, usize) -> bool) {
        while let Some(innermost) = self.open.pop_if(|open| ends(open, self.depth)) {
            self.end(innermost);
        }
    }

    fn close_all(&mut self) {
        // An f-string that does not end.
        if let Some((start, _)) = self.formatted.take() {
            self.piece(TokenKind::FStringStart, TextRange::new(start, TextSize::of(self.text).max(start)));
        }
        self.close(|_, _| true);
    }

    fn end(&mut self, Open { function, is_generator, .. }: Open) {
        if let Some(Bound::Function(bound)) = self.spans[function]
            .binding
            .and_then(|at| self.facts.bindings.get_mut(at as usize))
            .map(|one| &mut one.bound)
        {
            bound.is_generator = is_generator;
        }
    }

    /// What the token says beside its place in the code.
    fn look(&mut self, kind: TokenKind, range: TextRange) {
        if let Some(call) = &mut self.call {
            match kind {
                TokenKind::Lpar if !call.bracket => call.bracket = true,
                TokenKind::String if call.bracket && call.module.is_none() => call.module = Some(range),
                TokenKind::Rpar | TokenKind::Comma if call.module.is_some() => self.end_call(true),
                _ => self.end_call(false),
            }
        }
        match kind {
            TokenKind::Name => self.look_at_name(range),
            TokenKind::Yield => {
                if let Some(open) = self.open.last_mut() {
                    open.is_generator = true;
                }
            }
            TokenKind::String => {
                let text = &self.text[range];
                if text.contains("__doc__") || text.contains("__code__") {
                    self.facts.mentions.add(Mentions { docs: true, code: true, source: false });
                }
            }
            _ => {}
        }
    }

    fn look_at_name(&mut self, range: TextRange) {
        let name = &self.text[range];
        match name {
            "import_module"
            | "__import__"
            | "importorskip"
            | "run_module"
            | "run_path"
            | "spec_from_file_location"
            | "load_module"
            | "exec_module"
            | "find_spec" => {
                self.call = Some(Call { callee: range, bracket: false, module: None });
            }
            "globals" | "__init_subclass__" => self.facts.dynamic_names = true,
            "setattr" | "exec" | "vars" | "locals" => self.facts.dynamic_names |= self.open.is_empty(),
            _ => self.facts.mentions.add(mentions_of(name)),
        }
    }

    /// A name that is not called may be called by another name elsewhere: an import is no such case, as it names nothing new.
    fn end_call(&mut self, literal: bool) {
        let Some(call) = self.call.take() else { return };
        let module = call.module.filter(|_| literal).and_then(|range| plain_string(&self.text[range]));
        let line = self.lines.position(call.callee.start()).line;
        let in_import = !call.bracket && self.facts.imports.iter().any(|import| import.line == line);
        if !in_import {
            let callee = self.text[call.callee].into();
            self.facts.dynamic_imports.push(DynamicImport {
                callee,
                module: module.map(Into::into),
                line,
                in_function: !self.open.is_empty(),
            });
        }
    }
}

/// The hash of all tokens: those in *bytes*, and the docstrings, each with its place among them.
fn hash_whole(text: &str, bytes: &[u8], docs: &[(usize, TextRange)]) -> Digest {
    let mut all = blake3::Hasher::new();
    all.update(bytes);
    for (place, range) in docs {
        all.update(&[END]);
        all.update(&place.to_le_bytes());
        all.update(text.get(range.start().into()..range.end().into()).unwrap_or("").as_bytes());
    }
    digest(all.finalize())
}

fn digest(hash: blake3::Hash) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

/// What a string token says, if it is written without prefix and escapes.
fn plain_string(token: &str) -> Option<&str> {
    let quote = token.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let inner = token.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.is_empty() && !inner.contains(['\\', '\'', '"'])).then_some(inner)
}

fn mentions_of(name: &str) -> Mentions {
    let mut found = Mentions::default();
    match name {
        "__doc__" | "getdoc" | "doctest" | "cleandoc" => found.docs = true,
        "getsource" | "getsourcelines" | "getsourcefile" | "findsource" | "getcomments" | "getblock" | "linecache"
        | "tokenize" => {
            found.source = true;
        }
        "inspect" => found = Mentions { docs: true, source: true, code: true },
        "__code__" | "co_firstlineno" | "co_code" | "co_lines" | "co_lnotab" | "co_linetable" | "co_consts"
        | "f_lineno" | "tb_lineno" | "lineno" | "currentframe" | "_getframe" | "extract_stack" | "extract_tb"
        | "findCaller" => found.code = true,
        _ => {}
    }
    found
}
