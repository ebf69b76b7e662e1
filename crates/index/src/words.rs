//! Command lines and patterns as Python's `shlex` and `fnmatch` read them.

/// Words as a shell would part them; `None` if a quote is left open.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().push(characters.next()?),
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Whether a name matches a pattern of `*`, `?` and `[…]`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go on when what follows the last `*` has not matched.
    let mut again = None;
    while place < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                again = Some((at, place));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => one_of(&pattern[at..], name[place]),
            Some(&character) => (character == name[place]).then_some(1),
            None => None,
        };
        match (step, again) {
            (Some(length), _) => {
                at += length;
                place += 1;
            }
            (None, Some((star, from))) => {
                again = Some((star, from + 1));
                at = star + 1;
                place = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|&character| character == '*')
}

/// The length of a `[…]` that matches.
fn one_of(pattern: &[char], character: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'!');
    let first = if negated { 2 } else { 1 };
    let Some(end) = (first + 1..pattern.len()).find(|&at| pattern[at] == ']') else {
        return (character == '[').then_some(1);
    };
    let (mut at, mut found) = (first, false);
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            found |= (pattern[at]..=pattern[at + 2]).contains(&character);
            at += 3;
        } else {
            found |= pattern[at] == character;
            at += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_by_a_shell() {
        assert_eq!(split(" -k 'a b'  \"c'd\" e\\ f ''").unwrap(), ["-k", "a b", "c'd", "e f", ""]);
        assert_eq!(split("'open"), None);
        assert!(split("").unwrap().is_empty());
    }

    #[test]
    fn patterns() {
        for (pattern, name) in [
            ("test_*.py", "test_a.py"),
            ("*_test.py", "a_test_test.py"),
            (".*", ".git"),
            ("a?c[d-f]", "abce"),
            ("[!x]", "y"),
            ("[", "["),
            ("*", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("test_*.py", "test_a.pyc"), ("a?", "a"), ("[a-c]", "d"), ("[!x]", "x"), ("", "a"), ("build", "builds")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
