//! A file's bytes as text, as Python's compiler reads them.

use std::borrow::Cow;

/// What a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    Text(Cow<'a, str>),
    /// Not UTF-8 everywhere, which the compiler only notices outside of comments. Each of the places (offsets, rising) has
    /// a character in the place of what is no UTF-8.
    Lossy(String, Vec<usize>),
    /// In an encoding that is not known here.
    Other(&'a str),
    /// Not in the encoding that they claim to be in.
    Wrong,
}

/// Decode *content* by its byte order mark, or by the comment in one of its first two lines that names an encoding.
pub(crate) fn decode(content: &[u8]) -> Decoded<'_> {
    let behind_mark = content.strip_prefix(b"\xef\xbb\xbf");
    let name = cookie(behind_mark.unwrap_or(content));
    let known = match name {
        None => Known::Utf8,
        Some(name) => match std::str::from_utf8(name) {
            Ok(name) => Known::of(name),
            Err(_) => return Decoded::Wrong,
        },
    };
    match (behind_mark, known) {
        (Some(behind), Known::Utf8) => as_utf8(behind),
        (Some(_), _) => Decoded::Wrong,
        (None, Known::Utf8) => as_utf8(content),
        (None, Known::Utf8Strict) => match std::str::from_utf8(content) {
            Ok(text) => Decoded::Text(Cow::Borrowed(text)),
            Err(_) => Decoded::Wrong,
        },
        (None, Known::Ascii) => match std::str::from_utf8(content) {
            Ok(text) if content.is_ascii() => Decoded::Text(Cow::Borrowed(text)),
            _ => Decoded::Wrong,
        },
        (None, Known::Latin1) => Decoded::Text(content.iter().map(|&byte| char::from(byte)).collect()),
        (None, Known::Other(name)) => Decoded::Other(name),
    }
}

enum Known<'a> {
    /// What is read without a codec.
    Utf8,
    Utf8Strict,
    Ascii,
    Latin1,
    Other(&'a str),
}

impl<'a> Known<'a> {
    fn of(name: &'a str) -> Self {
        // Only so much of the name is looked at before a codec is asked for.
        let lower: String =
            name.chars().take(12).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
        if lower == "utf-8" || lower.starts_with("utf-8-") {
            return Self::Utf8;
        }
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf8" | "u8" | "utf" | "cp65001" => Self::Utf8Strict,
            "ascii" | "us-ascii" | "646" => Self::Ascii,
            "latin-1" | "latin1" | "latin" | "iso-8859-1" | "iso8859-1" | "8859" | "cp819" | "l1" => Self::Latin1,
            _ => Self::Other(name),
        }
    }
}

fn as_utf8(content: &[u8]) -> Decoded<'_> {
    if let Ok(text) = std::str::from_utf8(content) {
        return Decoded::Text(Cow::Borrowed(text));
    }
    let (mut text, mut places) = (String::with_capacity(content.len()), Vec::new());
    for chunk in content.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            places.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Decoded::Lossy(text, places)
}

/// The name in a comment as `# -*- coding: NAME -*-`, alone on one of the first two lines; the first line must be blank for the second to count,
/// or a comment.
fn cookie(content: &[u8]) -> Option<&[u8]> {
    let mut rest = content;
    for _ in 0..2 {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = &rest[..end];
        let behind = &rest[end..];
        rest = behind.strip_prefix(b"\r\n").or_else(|| behind.get(1..)).unwrap_or_default();
        let first = line.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\x0c'));
        let Some(comment) = first.map(|first| &line[first..]) else { continue };
        if comment[0] != b'#' {
            return None;
        }
        if let Some(name) = named(comment) {
            return Some(name);
        }
    }
    None
}

fn named(comment: &[u8]) -> Option<&[u8]> {
    let mut rest = comment;
    while let Some(at) = rest.windows(6).position(|six| six == b"coding") {
        rest = &rest[at + 6..];
        if let [b':' | b'=', name @ ..] = rest {
            let start = name.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(name.len());
            let name = &name[start..];
            let end = name.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
            let name = &name[..end.unwrap_or(name.len())];
            if !name.is_empty() {
                return Some(name);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &[u8]) -> Option<String> {
        match decode(content) {
            Decoded::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn encodings_are_found_where_the_compiler_finds_them() {
        assert_eq!(text(b"# coding: latin-1\nx = '\xff'\n").as_deref(), Some("# coding: latin-1\nx = '\u{ff}'\n"));
        for front in [&b"#\n"[..], b"\n", b" \t\x0c\n", b"# a\r", b"# encoding is "] {
            let content = [front, b"# vim: set fileencoding=latin-1 :\nx = '\xff'\n"].concat();
            assert!(text(&content).is_some(), "{front:?}");
        }
        for front in [&b"x = 1\n"[..], b"#\n#\n", b"\x0b", b"\\\n", b"'''"] {
            let content = [front, b"# coding: latin-1\nx = '\xff'\n"].concat();
            assert!(matches!(decode(&content), Decoded::Lossy(..)), "{front:?}");
        }
    }

    #[test]
    fn encodings_and_contents_must_agree() {
        assert_eq!(decode(b"\xef\xbb\xbf# coding: latin-1\n"), Decoded::Wrong);
        assert_eq!(text(b"\xef\xbb\xbf# coding: UTF_8\n").as_deref(), Some("# coding: UTF_8\n"));
        assert_eq!(decode(b"# coding: ascii\n# \xc3\xa9\n"), Decoded::Wrong);
        assert_eq!(decode(b"# coding: utf8\n# \xff\n"), Decoded::Wrong);
        assert_eq!(decode(b"# coding: koi8-r\n"), Decoded::Other("koi8-r"));
        assert_eq!(decode(b"# \xff\xfe\n"), Decoded::Lossy("# \u{fffd}\u{fffd}\n".to_owned(), vec![2, 5]));
    }
}
