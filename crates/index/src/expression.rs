//! Expressions of `-k` and `-m`.

/// An expression that has been read.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Name(String),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    /// The empty one.
    Everything,
}

/// Deeper brackets are refused.
const DEEPEST: usize = 100;

impl Expression {
    /// # Errors
    ///
    /// What is wrong with it, or not understood here.
    pub fn read(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        if tokens.is_empty() {
            return Ok(Self::Everything);
        }
        let mut reader = Reader { tokens: &tokens, depth: 0 };
        let found = reader.any()?;
        match reader.tokens.first() {
            None => Ok(found),
            Some(token) => Err(format!("{token:?} is not expected there")),
        }
    }

    /// Whether it holds where `matches` says which names do; `None` if that depends on names of which it does not know.
    pub fn holds(&self, matches: &mut dyn FnMut(&str) -> Option<bool>) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Name(name) => matches(name),
            Self::Not(inner) => inner.holds(matches).map(|holds| !holds),
            Self::And(all) => decided(all, matches, false),
            Self::Or(all) => decided(all, matches, true),
        }
    }
}

/// What one that is `deciding` decides, and else the others together.
fn decided(all: &[Expression], matches: &mut dyn FnMut(&str) -> Option<bool>, deciding: bool) -> Option<bool> {
    let mut open = false;
    for one in all {
        match one.holds(matches) {
            Some(holds) if holds == deciding => return Some(deciding),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!deciding)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        match character {
            ' ' | '\t' | '(' | ')' => {
                found.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                found.extend(matches!(character, '(' | ')').then(|| character.to_string()));
            }
            _ if character.is_alphanumeric() || "_:+-.[]\\/".contains(character) => word.push(character),
            _ => return Err(format!("unexpected character {character:?}")),
        }
    }
    found.extend((!word.is_empty()).then_some(word));
    Ok(found)
}

struct Reader<'a> {
    tokens: &'a [String],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        let there = self.tokens.first().is_some_and(|token| token == wanted);
        self.tokens = &self.tokens[usize::from(there)..];
        there
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.all()?];
        while self.take("or") {
            all.push(self.all()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::Or(all) })
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.one()?];
        while self.take("and") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("too many brackets".to_owned());
        }
        let found = if self.take("not") {
            Expression::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.any()?;
            if !self.take(")") {
                return Err("a bracket is not closed".to_owned());
            }
            inner
        } else {
            match self.tokens.split_first() {
                Some((name, rest)) if !matches!(name.as_str(), ")" | "and" | "or") => {
                    self.tokens = rest;
                    Expression::Name(name.clone())
                }
                _ => return Err("a name is missing".to_owned()),
            }
        };
        self.depth -= 1;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, names: &[&str]) -> bool {
        Expression::read(text).unwrap().holds(&mut |name| Some(names.contains(&name))).unwrap()
    }

    #[test]
    fn operators_bind_as_in_python() {
        assert!(holds("", &[]));
        assert!(holds("a or b and c", &["a"]));
        assert!(!holds("(a or b) and c", &["a"]));
        assert!(holds("not a and b", &["b"]));
        assert!(!holds("not (a or b)", &["b"]));
        assert!(holds("not not a[1-2]", &["a[1-2]"]));
    }

    #[test]
    fn what_is_not_known_decides_only_where_it_matters() {
        let holds = |text: &str| {
            Expression::read(text).unwrap().holds(&mut |name| match name {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            })
        };
        for text in ["yes or open", "not no", "not (no and open)", "open or yes"] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        for text in ["no and open", "not yes", "open and no", "not (open or yes)"] {
            assert_eq!(holds(text), Some(false), "{text}");
        }
        for text in ["open", "not open", "yes and open", "open or no"] {
            assert_eq!(holds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for text in ["a b", "and", "a or", "(a", "a)", "a(b=1)", "not", &"(".repeat(1000)] {
            assert!(Expression::read(text).is_err(), "{text}");
        }
    }
}
