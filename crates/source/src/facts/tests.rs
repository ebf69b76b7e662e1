use proptest::prelude::*;

use super::*;

fn only<T>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn function(text: &str) -> Function {
    let function = facts(text).bindings.into_iter().rev().find_map(|binding| match binding.bound {
        Bound::Function(function) => Some(function),
        _ => None,
    });
    function.expect("a function")
}

fn ids(arguments: &str) -> Option<Vec<String>> {
    ids_after("", arguments)
}

fn ids_after(before: &str, arguments: &str) -> Option<Vec<String>> {
    let text = format!("import pytest\n{before}\n@pytest.mark.parametrize({arguments})\ndef test(x, y): pass\n");
    only(function(&text).decorators.marks.marks).parameters.expect("parameters").ids
}

fn known(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|&word| word.to_owned()).collect())
}

#[test]
fn imports_at_every_depth_with_their_place() {
    let text = "\
import a.b as c
from ..d import e, f as g
from . import h
from i import *
if TYPE_CHECKING:
    import j
else:
    import k
try:
    import l
except ImportError:
    import m
def n():
    if 1:
        import o
class P:
    import q
";
    let all = facts(text).imports;
    let found: Vec<String> = all
        .iter()
        .map(|one| {
            let Place { in_function, conditional, type_checking, in_try } = one.place;
            let flags: String = [(in_function, 'f'), (conditional, 'c'), (type_checking, 't'), (in_try, 'y')]
                .iter()
                .filter_map(|(on, letter)| on.then_some(*letter))
                .collect();
            format!(
                "{} {}{}:{} {flags}",
                one.line,
                ".".repeat(one.level as usize),
                one.module,
                one.name.as_deref().unwrap_or("-")
            )
        })
        .collect();
    let expected = [
        "1 a.b:- ",
        "2 ..d:e ",
        "2 ..d:f ",
        "3 .:h ",
        "4 i:* ",
        "6 j:- ct",
        "8 k:- c",
        "10 l:- cy",
        "12 m:- c",
        "15 o:- fc",
        "17 q:- ",
    ];
    assert_eq!(found, expected);
}

#[test]
fn calls_that_import() {
    let text = "import importlib\nfrom importlib import import_module\nimportlib.import_module('a.b')\n\
        __import__(name)\nimport_module('.c', package=p)\nload = import_module\nimport_module('a' + b)\npytest.importorskip(\"d\")\n";
    let found: Vec<_> = facts(text).dynamic_imports.into_iter().map(|one| (one.line, one.module)).collect();
    let expected = [(3, Some("a.b")), (4, None), (5, Some(".c")), (6, None), (7, None), (8, Some("d"))];
    assert_eq!(found, expected.map(|(line, module)| (line, module.map(Into::into))));
}

#[test]
fn plugins_and_hooks() {
    let found = facts("pytest_plugins = ['a', 'b']\ndef pytest_configure(): pass\ndef helper(): pass\n");
    assert_eq!(found.plugins, Some(Strings { literal: vec!["a".into(), "b".into()], computed: false }));
    assert_eq!(found.hooks().collect::<Vec<_>>(), ["pytest_configure"]);
    assert!(facts("pytest_plugins = f()").plugins.unwrap().computed);
    assert!(facts("pytest_plugins = 'a'\npytest_plugins += ['b']").plugins.unwrap().computed);
}

#[test]
fn candidates_lie_in_classes_and_under_conditions() {
    let found = facts("class TestA(Base, x.Y, f(), metaclass=M):\n    def test_a(self, fix, k=1): pass\nif x:\n    async def test_b(): assert 1\ntest_c = 1\n");
    let names: Vec<_> = found.bindings.iter().map(|one| (&*one.name, one.scope, one.conditional)).collect();
    assert_eq!(
        names,
        [("TestA", None, false), ("test_a", Some(0), false), ("test_b", None, true), ("test_c", None, false)]
    );
    let Bound::Class(class) = &found.bindings[0].bound else { panic!("{found:?}") };
    assert_eq!(class.bases, ["Base".into(), "x.Y".into(), "".into()]);
    assert!(class.keywords);
    let Bound::Function(method) = &found.bindings[1].bound else { panic!("{found:?}") };
    assert_eq!(
        (method.parameters.as_slice(), method.defaulted.as_slice()),
        (&["self".into(), "fix".into()][..], &["k".into()][..])
    );
    assert_eq!(found.asserts, 1);
}

#[test]
fn marks_are_found_by_whatever_name() {
    for before in
        ["import pytest", "import pytest as p", "from pytest import mark", "import pytest\nmark = pytest.mark"]
    {
        let by = if before.ends_with(" p") {
            "p.mark"
        } else if before.ends_with("st") {
            "pytest.mark"
        } else {
            "mark"
        };
        let found =
            function(&format!("{before}\n@{by}.slow\n@other.thing\n@{by}.skipif(x, reason='y')\ndef f(): pass\n"));
        let names: Vec<_> = found.decorators.marks.marks.iter().map(|mark| &*mark.name).collect();
        assert_eq!(names, ["skipif", "slow"], "{before}");
        assert_eq!(found.decorators.others, ["other.thing".into()]);
    }
    let found = function("import pytest\nslow = pytest.mark.slow\n@slow\ndef f(): pass\n");
    assert_eq!(&*only(found.decorators.marks.marks).name, "slow");
    let found = facts("import pytest\npytestmark = [pytest.mark.a, pytest.mark.usefixtures('b', c)]\nclass A:\n    pytestmark = pytest.mark.d\n    __test__ = False\n");
    assert_eq!(found.marks.marks.iter().map(|mark| &*mark.name).collect::<Vec<_>>(), ["a", "usefixtures"]);
    assert_eq!(found.marks.marks[1].fixtures, Some(Strings { literal: vec!["b".into()], computed: true }));
    let Bound::Class(class) = &found.bindings.iter().find(|one| &*one.name == "A").unwrap().bound else { panic!() };
    assert_eq!((&*class.marks.marks[0].name, class.collected), ("d", Collected::No));
}

#[test]
fn fixtures() {
    let found = function(
        "import pytest\n@pytest.fixture(scope='module', params=[1, 'a'], autouse=True, name='other')\ndef f(): pass\n",
    );
    let fixture = found.decorators.fixture.unwrap();
    assert_eq!(
        (fixture.name.as_deref(), &*fixture.scope, fixture.autouse, fixture.computed),
        (Some("other"), "module", Some(true), false)
    );
    assert_eq!(fixture.parameters.unwrap().ids, known(&["1", "a"]));
    assert!(function("from pytest import fixture\n@fixture\ndef f(): pass\n").decorators.fixture.is_some());
}

#[test]
fn ids_are_those_of_pytest() {
    assert_eq!(
        ids("'x', [1, -2, 0x10, 1.5, 1e20, 1e-7, True, None, 'a', b'b', [1], ..., int, lambda: 1, ()]"),
        known(&[
            "1", "-2", "16", "1.5", "1e+20", "1e-07", "True", "None", "a", "b", "x10", "x11", "int", "<lambda>", "x14",
        ])
    );
    assert_eq!(ids("'x, y', [(1, 'a'), (2, {})]"), known(&["1-a", "2-y1"]));
    assert_eq!(ids("['x'], [(1,), (2,)]"), known(&["1", "2"]));
    assert_eq!(ids("('x', 'y'), ((1, 2),), ids=['z']"), known(&["z"]));
    assert_eq!(ids("'x', [pytest.param(1, id='one'), pytest.param(2, marks=m), 3]"), known(&["one", "2", "3"]));
    assert_eq!(ids("'x', ['é\\n\\\\', b'\\xff\\\\']"), known(&["\\xe9\\n\\\\", "\\xff\\"]));
    assert_eq!(ids("'x', ['a', 'a', 'a1']"), known(&["a0", "a2", "a1"]));
    assert_eq!(ids_after("VALUES = [1, 2]", "'x', VALUES"), known(&["1", "2"]));
    assert_eq!(ids_after("class A: pass", "'x', [A]"), known(&["A"]));
}

#[test]
fn ids_that_depend_on_more_than_the_text_are_unknown() {
    for arguments in [
        "'x', f()",
        "'x', [f()]",
        "'x', [a.b]",
        "'x', [1, 1]",
        "'x', []",
        "'x,', [(1,)]",
        "'x', [1], ids=f",
        "NAMES, [1]",
        "'x', [*a]",
        "'x', [int]",
        "*args",
        "'x', [f'{a}']",
        "'x', [1 + 1]",
        "['x'], ['a']",
        "'x, y', [1]",
    ] {
        assert_eq!(ids_after("int = 1", arguments), None, "{arguments}");
    }
    assert_eq!(ids(&format!("'x', ['{}']", "a".repeat(101))), None);
    assert_eq!(ids_after("VALUES = [1, 2]\nVALUES.append(3)", "'x', VALUES"), None);
    assert_eq!(ids_after("VALUES = [1, 2]\nVALUES += [3]", "'x', VALUES"), None);
    assert_eq!(ids_after("if a:\n    VALUES = [1, 2]", "'x', VALUES"), None);
}

#[test]
fn broken_files_give_facts_and_problems() {
    let found = facts("import a\ndef test_a(:\n    pass\ndef test_b(): pass\n");
    assert_eq!(&*found.imports[0].module, "a");
    assert!(found.bindings.iter().any(|one| &*one.name == "test_b"));
    assert_eq!((found.problems[0].kind, found.problems[0].line), (ProblemKind::Syntax, 2));
    assert_eq!(facts("x = 1\0").problems[0].kind, ProblemKind::Syntax);
    assert_eq!(facts(&"(".repeat(100_000)).problems[0].kind, ProblemKind::Excessive);
    assert_eq!(facts_of_bytes(b"x = '\xff'").problems[0].kind, ProblemKind::Encoding);
    assert_eq!(facts_of_bytes(b"# coding: latin-1\nimport a # \xff").imports.len(), 1);
    assert_eq!(facts_of_bytes(b"\xef\xbb\xbfimport a").imports.len(), 1);
    assert!(facts_of_bytes(b"#!/usr/bin/python\n# vim: set fileencoding=utf-8 :\nimport a").is_whole());
}

// ---- the tokens

const SAMPLE: &str = "\
'''Module.'''
import a

LIMIT = 3

@decorated(1)
def first(x, y=2):
    '''First.'''
    def inner():
        return x
    return inner

class A(Base):
    '''Class.'''
    value = 1

    @property
    def method(self):
        if self.value:
            return f'{self.value = }'

    def inline(self): return 1

async def last() -> int: yield 2
";

#[test]
fn an_edit_changes_the_hash_but_of_comments_and_layout() {
    let whole = |text: &str| facts(text).whole;
    let edits = [
        ("return x", "return y", true),
        ("def inner()", "def inner(z)", true),
        ("self.value = }", "self.value= }", true),
        ("        if self.value:\n            return", "        if self.value: return", true),
        ("(1)", "(2)", true),
        ("-> int", "-> str", true),
        ("yield 2", "return 2", true),
        ("First.", "Other.", true),
        ("'''Module.'''\n", "", true),
        ("    return inner\n", "    # why\n\n    return inner  # that\n", false),
        ("first(x, y=2)", "first(  x,\n  y = 2)", false),
        ("\n", "\r\n", false),
    ];
    for (old, new, changes) in edits {
        assert_eq!(whole(SAMPLE) != whole(&SAMPLE.replacen(old, new, 1)), changes, "{old:?} -> {new:?}");
    }
    let (inside, outside) =
        ("class A:\n    def f(self): pass\n    x = 1\n", "class A:\n    def f(self): pass\nx = 1\n");
    assert_ne!(whole(inside), whole(outside));
}

#[test]
fn a_function_that_yields_is_a_generator() {
    let is_generator = |text: &str| {
        let found = facts(text).bindings;
        matches!(&found[0].bound, Bound::Function(function) if function.is_generator)
    };
    assert!(is_generator("def f(): yield\nx = 1\n"));
    assert!(function(SAMPLE).is_generator);
    assert!(!is_generator("def f():\n    def g(): yield\n    return g\n"));
    assert!(!is_generator("def f():\n    return g\nasync def g(): yield\n"));
}

#[test]
fn the_whole_has_docstrings_in_their_places() {
    let whole = |text: &str| facts(text).whole;
    let text = "class A:\n    'One.'\n    x = 1\nclass B:\n    x = 2\n";
    assert_eq!(whole(text), whole("# why\nclass A:\n    'One.'  # so\n\n    x  =  1\nclass B:\n    x = 2\n"));
    let others = [
        "class A:\n    x = 1\nclass B:\n    'One.'\n    x = 2\n",
        "class A:\n    'Two.'\n    x = 1\nclass B:\n    x = 2\n",
        "class A:\n    x = 1\nclass B:\n    x = 2\n",
        "class A:\n    'One.'\n    x = 1\nclass B:\n    x = 3\n",
    ];
    for other in others {
        assert_ne!(whole(text), whole(other), "{other}");
    }
}

#[test]
fn what_reads_source_is_said() {
    let found = |text: &str| facts(text).mentions;
    assert_eq!(found("def f():\n    def g(): return h.__doc__\n"), Mentions { docs: true, ..Mentions::default() });
    assert!(found("def i(): return x.__code__\n").code);
    assert!(found("def j(): return getattr(x, '__doc__')\n").docs);
    assert!(found("import inspect\n").source);
    assert_eq!(found("def f(): return doc\n"), Mentions::default());
}

fn words() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "def f(x):",
        "class A(B):",
        "async ",
        "@d\n",
        "@pytest.mark.parametrize('x', [1])\n",
        "import a\n",
        "from . import b\n",
        "return ",
        "yield ",
        "x",
        "=",
        "1",
        "\n",
        "\n    ",
        "\n        ",
        "(",
        ")",
        "[",
        "]",
        "f'{",
        "}'",
        "'''",
        "'s'",
        "lambda: ",
        ":",
        "if x:",
        "else:",
        "try:",
        "except A:",
        "#",
        ";",
        "\\\n",
        "\t",
        "\r",
        "\x0c",
        "é",
        "\0",
        "import_module('a')",
        "pytestmark = ",
        "pytest_plugins = ",
        "...",
        ",",
        "match x:",
        "case 1:",
        "with a as b:",
        "\u{feff}",
        "t\"{x!r:>{y}}\"",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

/// Functions, classes and statements that parse.
fn modules() -> impl Strategy<Value = Vec<String>> {
    let simple = prop::sample::select(vec![
        "x = 1",
        "'s'",
        "f(x)[1]",
        "import a",
        "x = f'{x = }'",
        "pass",
        "'''a\nb'''",
        "assert x == (1,\n 2)",
        "lambda: (yield)",
        "x: int = {1: 2}",
        "del x; y = 2",
    ]);
    let statement = simple.prop_map(|line| vec![line.to_owned()]);
    let statement = statement.prop_recursive(3, 24, 3, |inner| {
        let heads = prop::sample::select(vec![
            "def f(a, b=lambda: 1):",
            "class A(B):",
            "@d(x)\ndef g() -> (int):",
            "if x:",
            "async def h(*a): ",
            "for i in x:",
        ]);
        (heads, prop::collection::vec(inner, 1..4)).prop_map(|(head, blocks)| {
            let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
            lines.extend(blocks.into_iter().flatten().map(|line| format!("    {line}")));
            lines
        })
    });
    prop::collection::vec(statement, 0..5).prop_map(|blocks| blocks.concat())
}

proptest! {
    #[test]
    fn any_text_does_no_harm(text in ".{0,200}") {
        facts(&text);
        facts_of_bytes(text.as_bytes());
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        facts_of_bytes(&bytes);
    }

    #[test]
    fn any_words_do_no_harm(text in words()) {
        facts(&text);
    }

    #[test]
    fn comments_and_blank_lines_change_no_hash(lines in modules(), place in any::<prop::sample::Index>(), what in 0..4) {
        let text = lines.join("\n") + "\n";
        let place = place.index(lines.len() + 1);
        let inserted = ["# why", "", "        # deep", "   "][what as usize];
        let mut after = lines.clone();
        after.insert(place, inserted.to_owned());
        let inside_string = lines[..place].join("\n").matches("'''").count() % 2 == 1;
        prop_assume!(!inside_string);
        prop_assert_eq!(facts(&text).whole, facts(&(after.join("\n") + "\n")).whole, "{}", text);
    }

    #[test]
    fn a_statement_that_is_another_changes_the_hash(lines in modules(), place in any::<prop::sample::Index>()) {
        let text = lines.join("\n") + "\n";
        let candidates: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].trim() == "x = 1").collect();
        prop_assume!(!candidates.is_empty());
        let at = candidates[place.index(candidates.len())];
        let mut after = lines.clone();
        after[at] = after[at].replace("x = 1", "x = 2");
        prop_assert_ne!(facts(&text).whole, facts(&(after.join("\n") + "\n")).whole, "{}", text);
    }
}
