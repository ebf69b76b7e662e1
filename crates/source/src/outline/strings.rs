//! From the parser's tree to that of Python's `ast` module: string constants. Literals side by side are one, also within an f-string.

use std::borrow::Cow;

use ruff_python_ast::{
    ConversionFlag, ExprBytesLiteral, ExprFString, ExprStringLiteral, ExprTString, FStringPart, InterpolatedElement,
    InterpolatedStringElement, InterpolatedStringLiteralElement, StringLiteral,
};
use ruff_text_size::{Ranged, TextRange};

use super::build::Builder;
use super::tree::{Field, Kind, Text, Value};

impl<'a> Builder<'a> {
    pub(super) fn string(&mut self, field: Field, one: &'a ExprStringLiteral) {
        let mut held = Held::default();
        one.value.iter().for_each(|part| held.add(&part.value, self.raw_literal(part)));
        let unicode = one.value.iter().next().is_some_and(|first| self.is_marked(first));
        self.text_node(field, Text { value: held.value, raw: held.raw, unicode });
    }

    pub(super) fn bytes(&mut self, field: Field, one: &'a ExprBytesLiteral) {
        let value = match one.value.as_slice() {
            [single] => Cow::Borrowed(&*single.value),
            parts => parts.iter().flat_map(|part| part.value.iter().copied()).collect(),
        };
        self.tree.bytes.push(value);
        self.leaf(Kind::Constant, field, 0, Value::Bytes(self.tree.bytes.len() as u32 - 1));
    }

    pub(super) fn f_string(&mut self, field: Field, one: &'a ExprFString) {
        let first = one.value.as_slice().first().and_then(FStringPart::as_literal);
        let marked = self.minor < 12 && first.is_some_and(|first| self.is_marked(first));
        let outer = std::mem::replace(&mut self.all_marked, marked);
        self.node(Kind::JoinedStr, field, |builder| {
            let mut held = Held::default();
            for part in &one.value {
                match part {
                    FStringPart::Literal(literal) => {
                        held.unicode |= held.is_empty() && builder.is_marked(literal) && !literal.value.is_empty();
                        held.add(&literal.value, builder.raw_literal(literal));
                    }
                    FStringPart::FString(part) => builder.elements(&part.elements, &mut held, Kind::FormattedValue),
                }
            }
            builder.release(&mut held);
        });
        self.all_marked = outer;
    }

    pub(super) fn t_string(&mut self, field: Field, one: &'a ExprTString) {
        self.node(Kind::TemplateStr, field, |builder| {
            let mut held = Held::default();
            for part in one.value.as_slice() {
                builder.elements(&part.elements, &mut held, Kind::Interpolation);
            }
            builder.release(&mut held);
        });
    }

    fn elements(&mut self, elements: &'a [InterpolatedStringElement], held: &mut Held<'a>, kind: Kind) {
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(literal) => held.add(&literal.value, self.raw_element(literal)),
                InterpolatedStringElement::Interpolation(one) => {
                    if let Some(debug) = &one.debug_text {
                        held.add(debug.as_str(), None);
                    }
                    self.release(held);
                    self.interpolation(one, kind);
                }
            }
        }
    }

    fn interpolation(&mut self, one: &'a InterpolatedElement, kind: Kind) {
        let shows_itself =
            one.debug_text.is_some() && one.format_spec.is_none() && one.conversion == ConversionFlag::None;
        let conversion = if shows_itself { ConversionFlag::Repr } else { one.conversion };
        let value = match kind {
            Kind::Interpolation => Value::Name(self.source(one.expression.range()).trim()),
            _ => Value::Nothing,
        };
        self.valued(kind, Field::Values, conversion as u8, value, |builder| {
            builder.expression(Field::Value, &one.expression);
            if let Some(spec) = &one.format_spec {
                builder.node(Kind::JoinedStr, Field::FormatSpec, |builder| {
                    let mut held = Held::default();
                    builder.elements(&spec.elements, &mut held, kind);
                    builder.release(&mut held);
                });
            }
        });
    }

    /// The text before an expression, or behind the last, is one node, if there is any.
    fn release(&mut self, held: &mut Held<'a>) {
        let Held { value, raw, unicode } = std::mem::take(held);
        if !value.is_empty() || !raw.is_empty() {
            // Before 3.12 the first literal of all says it for all parts.
            let unicode = if self.minor < 12 { self.all_marked } else { unicode };
            self.text_node(Field::Values, Text { value, raw, unicode });
        }
    }

    fn text_node(&mut self, field: Field, text: Text<'a>) {
        self.tree.texts.push(text);
        self.leaf(Kind::Constant, field, 0, Value::Text(self.tree.texts.len() as u32 - 1));
    }

    fn source(&self, range: TextRange) -> &'a str {
        self.text.get(range.start().into()..range.end().into()).unwrap_or("")
    }

    /// Whether it says `u`, which `ast` keeps; not so `U`.
    fn is_marked(&self, literal: &StringLiteral) -> bool {
        self.source(literal.range()).starts_with('u')
    }

    fn raw_literal(&self, literal: &'a StringLiteral) -> Option<&'a str> {
        let range = if literal.flags.is_invalid() {
            literal.range()
        } else if has_replacement(&literal.value, self.source(literal.content_range())) {
            literal.content_range()
        } else {
            return None;
        };
        Some(self.source(range))
    }

    fn raw_element(&self, element: &'a InterpolatedStringLiteralElement) -> Option<&'a str> {
        let source = self.source(element.range());
        let unknown = (element.value.is_empty() && source.contains("\\N")) || has_replacement(&element.value, source);
        unknown.then_some(source)
    }
}

/// Whether the parser has put a character in the place of half a pair of surrogates.
fn has_replacement(value: &str, source: &str) -> bool {
    value.contains(char::REPLACEMENT_CHARACTER)
        && ["\\ud", "\\uD", "\\U0000d", "\\U0000D"].iter().any(|escape| source.contains(escape))
}

/// Text that has not become a node yet.
#[derive(Default)]
struct Held<'a> {
    value: Cow<'a, str>,
    raw: Vec<&'a str>,
    unicode: bool,
}

impl<'a> Held<'a> {
    fn is_empty(&self) -> bool {
        self.value.is_empty() && self.raw.is_empty()
    }

    fn add(&mut self, value: &'a str, raw: Option<&'a str>) {
        // What has no value has a place.
        let value = if value.is_empty() && raw.is_some_and(|raw| !raw.is_empty()) { "\u{fffd}" } else { value };
        if self.value.is_empty() {
            self.value = Cow::Borrowed(value);
        } else if !value.is_empty() {
            self.value.to_mut().push_str(value);
        }
        self.raw.extend(raw.filter(|raw| !raw.is_empty()));
    }
}
