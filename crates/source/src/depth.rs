//! A bound on how deep a syntax tree is, from its tokens: what walks or drops the tree recurses as deep as that.

use ruff_python_ast::token::TokenKind;

/// CPython refuses more open brackets.
const BRACKETS: usize = 200;
/// CPython refuses more indentation.
const INDENTS: usize = 100;
/// CPython gives up on expressions much shallower than this, and every level of one takes a token.
const OPERATORS: usize = 8000;

/// Whether a tree from these tokens may be deeper than any that CPython compiles.
pub(crate) fn is_excessive(tokens: impl Iterator<Item = TokenKind>) -> bool {
    let mut indents = 0usize;
    // How many tokens of the innermost open bracket, and of those around it, may nest in each other.
    let (mut run, mut outer) = (0usize, Vec::<usize>::new());
    // Commas part what does not nest, but lambdas nest across those between their parameters.
    let (mut sum, mut lambdas) = (0usize, 0usize);
    for kind in tokens {
        match kind {
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                outer.push(run);
                sum += run;
                run = 0;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                run = outer.pop().unwrap_or(0);
                sum = sum.saturating_sub(run);
                run += 1;
            }
            TokenKind::Newline => {
                (run, sum, lambdas) = (0, 0, 0);
                outer.clear();
            }
            TokenKind::Comma | TokenKind::Semi => run = 0,
            TokenKind::Lambda => lambdas += 1,
            // Literals side by side are one.
            TokenKind::String | TokenKind::NonLogicalNewline | TokenKind::Comment => {}
            _ => run += 1,
        }
        if indents > INDENTS || outer.len() > BRACKETS || sum + run + lambdas > OPERATORS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excessive(text: &str) -> bool {
        let parsed = ruff_python_parser::parse_unchecked_source(text, ruff_python_ast::PySourceType::Python);
        is_excessive(parsed.tokens().iter().map(|token| token.kind()))
    }

    #[test]
    fn what_is_long_but_flat_is_fine() {
        assert!(!excessive(&format!("x = [{}]", "1, ".repeat(20_000))));
        assert!(!excessive(&format!("x = ({})", "'a'\n".repeat(20_000))));
        assert!(!excessive(&"assert f(x)[1] == -y\n".repeat(20_000)));
        assert!(!excessive(&format!("x = {}1", "1 + ".repeat(2_000))));
    }

    #[test]
    fn what_nests_is_not() {
        assert!(excessive(&format!("x = {}1", "-".repeat(10_000))));
        assert!(excessive(&format!("x = {}1", "1 +\\\n".repeat(10_000))));
        assert!(excessive(&format!("x = {}1", "lambda a, b: ".repeat(10_000))));
        assert!(excessive(&format!("x = {}1{}", "(".repeat(300), ")".repeat(300))));
        let nested = format!("f({}", "1 +".repeat(90)).repeat(150);
        assert!(excessive(&nested));
        let blocks: String = (0..150).map(|depth| " ".repeat(depth) + "if 1:\n").collect();
        assert!(excessive(&blocks));
    }
}
