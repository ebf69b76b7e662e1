use super::*;
use proptest::prelude::*;

const OPTIONS: Options = Options { walrus: true, truth_at_condition: true };

fn captured(text: &str) -> Captured {
    match capture(text, OPTIONS) {
        Outcome::Captured(captured) => captured,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn declined(text: &str) -> Decline {
    match capture(text, OPTIONS) {
        Outcome::Declined(reason) => reason,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn text_without_asserts_stays() {
    let text = "x = 1\r\ny = 2\r";
    assert_eq!(captured(text).text, "x = 1\ny = 2\n");
    assert!(captured(text).locations.is_identity());
    assert!(captured("\"assert\"\n").names.is_empty());
}

#[test]
fn pytest_leaves_some_modules_alone() {
    let untouched = |text| matches!(capture(text, OPTIONS), Outcome::Untouched);
    for text in ["", "\n", "  # assert\n", "# nothing\n\n", "# assert", "'PYTEST_DONT_REWRITE'\nassert x"] {
        assert!(untouched(text), "{text:?}");
    }
    assert!(untouched("from __future__ import annotations\n'PYTEST_DONT_' 'REWRITE'\nassert x"));
    for text in ["1\n'PYTEST_DONT_REWRITE'\nassert x", "'first'\n'PYTEST_DONT_REWRITE'\nassert x", "pass"] {
        assert!(!untouched(text), "{text:?}");
    }
}

#[test]
fn each_step_has_pytests_number() {
    let steps = [
        ("assert x", "assert not(not x),Q0_m.Q0_e(\"x\")"),
        ("assert f(x) == y, 'no'", "Q0_2=f(x);Q0_4=Q0_2 == y;assert Q0_4,Q0_m.Q0_t(\"f(x) == y\")('no');Q0_2=Q0_4=None"),
        ("assert a.b", "Q0_1=a.b;assert not(not Q0_1),Q0_m.Q0_e(\"a.b\");Q0_1=None"),
        ("assert -1", "Q0_0=1;Q0_2=- Q0_0;assert not(not Q0_2),Q0_m.Q0_e(\"-1\");Q0_0=Q0_2=None"),
        (
            "assert a < b < c",
            "Q0_1=a < b;Q0_2=b < c;assert (Q0_1 and Q0_2),Q0_m.Q0_e(\"a < b < c\");Q0_1=Q0_2=None",
        ),
        (
            "assert x and f()",
            "Q0_1=[];Q0_0=x;Q0_0=x and (Q0_5:=f(),Q0_0:=Q0_5)[-1];assert Q0_0,Q0_m.Q0_e(\"x and f()\");Q0_0=Q0_1=Q0_5=None",
        ),
        (
            "assert x == (x := 1)",
            "Q0_1=x;Q0_4=(x := 1);Q0_2=Q0_1 == Q0_4;assert Q0_2,Q0_m.Q0_e(\"x == (x := 1)\");Q0_1=Q0_2=Q0_4=None",
        ),
    ];
    for (text, expected) in steps {
        assert_eq!(captured(text).text, expected);
    }
}

#[test]
fn what_surrounds_an_assert_stays_where_it_was() {
    let text = "if x: assert y; z = 1  # end\nassert (\n  f(\n  )\n)  # that\nlast";
    let changed = captured(text).text;
    assert_eq!(changed.lines().count(), text.lines().count());
    assert!(changed.starts_with("if x: assert not(not y)"), "{changed}");
    assert!(changed.contains("; z = 1  # end\n"), "{changed}");
    assert!(changed.ends_with("  # that\nlast"), "{changed}");
}

#[test]
fn temporaries_have_names_of_their_own() {
    let changed = captured("Q0_1 = Q1_ = 5\nassert Q0_1 == 1\n");
    assert!(changed.text.contains("Q2_1="), "{}", changed.text);
    assert!(changed.names.contains(&("Q2_1".to_owned(), "@py_assert1".to_owned())));
}

#[test]
fn private_names_come_with_their_class() {
    assert!(captured("class A:\n def f(self):\n  assert __x\n").text.contains("Q0_e(\"__x\",\"A\")"));
    assert!(!captured("class A:\n def f(self):\n  assert x\n").text.contains("\"A\""));
}

#[test]
fn what_cannot_be_equalled_is_declined() {
    assert_eq!(declined("assert (a, b)"), Decline::Tuple);
    assert_eq!(declined("assert ("), Decline::Syntax);
    assert_eq!(declined("assert x\0"), Decline::Syntax);
    assert_eq!(declined("assert f(x for x in y, 1)"), Decline::Syntax);
    assert_eq!(declined("assert f(x for x in y,)"), Decline::Syntax);
    assert_eq!(declined(&format!("assert {}1", "-".repeat(10_000))), Decline::Excessive);
    assert_eq!(declined(&format!("assert {}1", "(".repeat(100_000))), Decline::Excessive);
    let before = Options { walrus: false, ..OPTIONS };
    assert!(matches!(capture("assert (x := 1)", before), Outcome::Declined(Decline::Walrus)));
    assert!(matches!(captured("assert ()").text.as_str(), "Q0_0=();assert not(not Q0_0),Q0_m.Q0_e(\"()\");Q0_0=None"));
}

#[test]
fn what_is_deep_but_compiles_is_captured() {
    let chain = format!("assert x{}", ".y".repeat(800));
    assert!(captured(&chain).text.contains("Q0_1599=None"));
    captured(&format!("assert {}1{}", "(".repeat(150), ")".repeat(150)));
    captured(&format!("assert x == {}", "1 + ".repeat(900) + "1"));
}

/// Pieces of which many a text is valid.
fn pieces() -> impl Strategy<Value = String> {
    let atoms = prop::sample::select(vec![
        "x",
        "é",
        "f(x)",
        "f(*x, k=(y), **z)",
        "f(n for n in x)",
        "a.b",
        "a\n.b",
        "\"s\\n\"",
        "'''s\nt'''",
        "1",
        "[1, 2]",
        "(x := 1)",
        "f'{x}'",
        "{x: y}",
        "x[1:2]",
        "(yield)",
        "lambda: 1",
        "(\n x # c\n)",
        "...",
        "(x, y)",
    ]);
    let atoms = atoms.prop_map(str::to_owned);
    atoms.prop_recursive(4, 24, 3, |inner| {
        let binary =
            prop::sample::select(vec!["==", "and", "or", "+", "**", "not in", "is not", "<", "%", "if x else"]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("-({inner}\n)")),
            (inner.clone(), inner).prop_map(|(left, right)| format!("f({left}, {right})")),
        ]
    })
}

fn texts() -> impl Strategy<Value = String> {
    let statement = (pieces(), prop::option::of(pieces()), 0..4).prop_map(|(test, message, place)| {
        let message = message.map_or(String::new(), |message| format!(", ({message})"));
        match place {
            0 => format!("assert ({test}){message}\n"),
            1 => format!("if x: assert ({test}){message}; y = 1  # é\n"),
            2 => format!("class A:\n\tdef f(self):\n\t\tassert ({test}){message}\n"),
            _ => format!("\"é\"; assert ({test}){message} ;assert x\n"),
        }
    });
    prop::collection::vec(statement, 0..4).prop_map(|statements| statements.concat())
}

fn parses(text: &str) -> bool {
    ruff_python_parser::parse_module(text).is_ok()
}

proptest! {
    #[test]
    fn any_text_does_no_harm(text in ".{0,80}") {
        capture(&text, OPTIONS);
        capture(&format!("assert {text}"), OPTIONS);
    }

    #[test]
    fn any_words_do_no_harm(words in prop::collection::vec(prop::sample::select(vec![
        "assert", " ", "(", ")", "[", "]", "x", ",", "\n", "\\\n", ":=", "==", "and", "not ", "f(", "'", "\"\"\"", "#", "\t", "\r", "=", "*", ".",
        "lambda", ":", "if ", " else ", "yield", "await ", "é", ";", "\x0c", "f'{", "}", "for x in ", "class A:", "def f():", "\u{feff}",
    ]), 0..40)) {
        let text = words.concat();
        if let Outcome::Captured(captured) = capture(&text, OPTIONS) {
            prop_assert!(parses(&captured.text) || !parses(&text), "{:?} became {:?}", text, captured.text);
        }
    }

    #[test]
    fn lines_stay_and_what_parses_goes_on_parsing(text in texts()) {
        match capture(&text, OPTIONS) {
            Outcome::Captured(captured) => {
                prop_assert_eq!(captured.text.lines().count(), text.lines().count(), "{}", &captured.text);
                prop_assert!(parses(&captured.text), "{:?} became {:?}", text, captured.text);
            }
            Outcome::Declined(reason) => {
                prop_assert!(!parses(&text) || matches!(reason, Decline::Tuple | Decline::Walrus), "{:?}: {:?}", text, reason);
            }
            Outcome::Untouched => prop_assert!(text.is_empty()),
        }
    }
}
