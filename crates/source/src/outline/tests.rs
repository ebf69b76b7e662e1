use super::*;

fn outline(text: &str) -> Outline {
    match outline_of_text(text, 12) {
        Reading::Outline(found) => *found,
        other => panic!("{text}: {other:?}"),
    }
}

fn body(text: &str) -> Digest {
    outline(&format!("def f():\n    return {text}\n")).bodies[0].whole
}

#[test]
fn constants_differ_by_type_and_value() {
    let all = [
        "1",
        "1.0",
        "True",
        "1j",
        "'1'",
        "b'1'",
        "u'1'",
        "-1",
        "None",
        "...",
        "'\\ud800'",
        "'\\ud801'",
        "'\\ufffd'",
        "f'1'",
        "f'{1}'",
        "f'{1!r}'",
        "f'{1:}'",
        "f'{1:2}'",
        "f'{1:{2}}'",
        "f'{1=}'",
        "f'{1 =}'",
        "0x10000000000000000",
        "0x10000000000000001",
        "1e999",
        "(1,)",
        "[1]",
        "{1}",
        "{1: 1}",
        "{**1}",
        "x[1]",
        "x[1:]",
        "x[:1]",
        "x[::1]",
        "lambda: 1",
        "lambda *, a, b=1: 1",
        "lambda *, a=1, b: 1",
        "x(1)",
        "x(*1)",
        "x(a=1)",
        "x(**1)",
        "(yield 1)",
        "'\\N{NO SUCH CHARACTER}' 'a'",
        "'a' '\\N{NO SUCH CHARACTER}'",
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            assert_ne!(body(one), body(other), "{one} {other}");
        }
    }
}

#[test]
fn what_means_the_same_is_the_same() {
    for (one, other) in [
        ("16", "0x1_0"),
        ("18446744073709551616", "0X10000000000000000"),
        ("'ab'", "'a' \"b\""),
        ("b'ab'", "b'a' b'''b'''"),
        ("f'a{b}cd'", "'a' f'{b}c' 'd'"),
        ("x + y", "((x) +\\\n  y)  # why"),
        ("'é'", "'\\xe9'"),
        ("ﬁ", "fi"),
        ("1.5", "15e-1"),
        ("'\\n'", "'''\r\n'''"),
    ] {
        assert_eq!(body(one), body(other), "{one} {other}");
    }
    assert_eq!(outline("if a:\n 1\nelif b:\n 2\n").level, outline("if a:\n 1\nelse:\n  if b: 2\n").level);
}

#[test]
fn hashes_belong_to_their_parts() {
    let text = "x = 1\ndef f(a=1):\n    'Doc.'\n    def g():\n        return 1\n    return g\n";
    let found = outline(text);
    let names: Vec<&str> = found.bodies.iter().map(|one| one.qualname.as_str()).collect();
    assert_eq!(names, ["f", "f.<locals>.g"]);
    for (one, other, level) in [
        ("def f(a): yield", "def f(b): yield", true),
        ("async def f(a): pass", "async def f(b): pass", true),
        ("def f(a, *b, c=0, **d): pass", "def f(d, /, *c): pass", false),
        ("@g\nclass C:\n @h\n def f(a): pass", "@g\nclass C:\n @h\n def f(a, b=1): pass", false),
        ("f = lambda a: 1", "f = lambda b: 1", true),
    ] {
        assert_eq!(outline(one).level != outline(other).level, level, "{one}");
    }
    for (before, after, level, bodies) in [
        ("x = 1", "x = 2", true, [false, false]),
        ("a=1", "a=2", false, [true, false]),
        ("a=1", "b=1", false, [true, false]),
        ("a=1", "a", false, [true, false]),
        ("a=1", "*, a=1", false, [true, false]),
        ("a=1", "a=x", true, [true, false]),
        ("a=1", "a: int = 1", true, [true, false]),
        ("g()", "g(a)", false, [true, true]),
        ("Doc", "Dock", true, [true, false]),
        ("return 1", "return 2", false, [false, true]),
        ("return 1", "yield 1", false, [true, true]),
        ("return g", "yield g", true, [true, false]),
        ("return g", "return (g)  # g", false, [false, false]),
    ] {
        let other = outline(&text.replacen(before, after, 1));
        assert_eq!(found.level != other.level, level, "{after}");
        assert_eq!([0, 1].map(|at| found.bodies[at] != other.bodies[at]), bodies, "{after}");
    }
}

#[test]
fn what_the_version_does_not_have_is_no_python() {
    for (text, since) in [("type X = int\n", 12), ("def f[T](): pass\n", 12), ("f'{'a'}'\n", 12), ("t'a'\n", 14)] {
        assert_eq!(outline_of_text(text, since - 1), Reading::NoPython, "{text}");
        assert!(matches!(outline_of_text(text, since), Reading::Outline(_)), "{text}");
    }
    for text in ["def f(:\n", "x = 1\0\n", "x = (\n", &"(".repeat(500)] {
        assert_eq!(outline_of_text(text, 12), Reading::NoPython, "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_may_stand_in_comments() {
    assert!(matches!(outline_of_bytes(b"# \xff\r\nx = 1 # \xfe\n", 11), Reading::Outline(_)));
    for content in [&b"# \xff\nx = '\xff'\n"[..], b"x = '\xff'\n", b"\xff = 1\n", b"# coding: ascii\n# \xff\n"] {
        assert_eq!(outline_of_bytes(content, 11), Reading::NoPython);
    }
    assert_eq!(outline_of_bytes(b"# coding: koi8-r\nx = '\xc1'\n", 11), Reading::Encoded("koi8-r"));
}

#[test]
fn what_is_deep_is_read() {
    let calls: String = (0..5000).map(|number| format!("def f{number}(): f{}()\n", number + 1)).collect();
    assert_eq!(outline(&format!("{calls}f0()\n")).bodies.len(), 5000);
    let branches: String = (0..20_000).map(|number| format!("elif __name__ == {number}: pass\n")).collect();
    assert!(outline(&format!("if __name__ == 'a': pass\n{branches}")).bodies.is_empty());
    outline(&format!("x = {}1\n", "1 + ".repeat(3000)));
}

#[test]
fn a_module_is_told_what_it_leaves() {
    let found = outline("from a import b\nV = 1\nb.register(V)\n@b.add\ndef f():\n    global V\n    V = 2\n");
    let touched: Vec<_> = found.touches.statements.iter().map(|one| one.touched.clone()).collect();
    assert_eq!(
        touched,
        [
            vec![
                (How::Puts, 0, "a.b.register".to_owned()),
                (How::Calls, 0, "a.b.register".to_owned()),
                (How::Puts, 0, "a.b".to_owned())
            ],
            vec![(How::Wraps, 0, "a.b.add".to_owned())]
        ]
    );
    assert_eq!((found.keepers, found.touches.registers), (vec!["f".to_owned()], vec!["f".to_owned()]));
    assert_eq!(found.loads, [(0, "a".to_owned(), vec!["b".to_owned()])]);
}
