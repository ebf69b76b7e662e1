use std::path::PathBuf;

use dx_py_source::facts::facts;

use super::*;

/// Rows as text, provisional ones with a question mark.
fn listed(files: &[(&str, &str)]) -> Vec<String> {
    let settings = Settings::load(Path::new("/nowhere"), &[], &[], &|_| None);
    let settings = Settings { root: "/p".into(), ..settings };
    let known: Vec<(PathBuf, Facts)> =
        files.iter().map(|(name, text)| (Path::new("/p").join(name), facts(text))).collect();
    let sources: Vec<Source> = known.iter().map(|(path, facts)| Source { path, facts }).collect();
    let rows = resolve(&settings, false, &sources);
    rows.iter()
        .map(|row| format!("{}{}{}", files[row.file as usize].0, row.name, if row.is_exact() { "" } else { "?" }))
        .collect()
}

fn one(text: &str) -> Vec<String> {
    listed(&[("test_m.py", text)])
        .iter()
        .map(|line| line.trim_start_matches("test_m.py").trim_start_matches("::").to_owned())
        .collect()
}

#[test]
fn functions_and_classes_by_name() {
    let text = "def test_b(): pass\ndef help(): pass\nclass TestA:\n    def test_c(self): pass\n    def other(self): pass\n    class TestIn:\n        def test_d(self): pass\n\
        class Other:\n    def test_e(self): pass\nclass TestInit:\n    def __init__(self): pass\n    def test_f(self): pass\nasync def test_g(): pass\ndef test_b(): pass\n";
    assert_eq!(one(text), ["test_b", "TestA::test_c", "TestA::TestIn::test_d", "test_g"]);
    assert!(listed(&[("m.py", text)]).is_empty());
}

#[test]
fn unittest_classes_whatever_their_name_and_sorted() {
    let text = "import unittest\nfrom unittest import TestCase as T\nclass B(T):\n    def test_b(self): pass\n    def test_a(self): pass\nclass C(B):\n    def test_c(self): pass\n";
    assert_eq!(one(text), ["B::test_a", "B::test_b", "C::test_a", "C::test_b", "C::test_c"]);
}

#[test]
fn inherited_tests_come_first() {
    let text = "class Base:\n    def test_a(self): pass\n    def test_b(self): pass\nclass TestX(Base):\n    def test_c(self): pass\n    def test_a(self): pass\n";
    assert_eq!(one(text), ["TestX::test_b", "TestX::test_c", "TestX::test_a"]);
}

#[test]
fn parameters_of_marks_and_of_one_fixture() {
    let text = "import pytest\n@pytest.fixture(params=['p', 'q'])\ndef fix(): pass\n@pytest.mark.parametrize('a', [1, 2])\n@pytest.mark.parametrize('b', ['x'])\ndef test_a(a, b): pass\n\
        def test_b(fix): pass\n@pytest.mark.parametrize('fix', [3])\ndef test_c(fix): pass\n@pytest.mark.parametrize('a', [1])\ndef test_d(a, fix): pass\n@pytest.mark.parametrize('a', f())\ndef test_e(a): pass\n";
    assert_eq!(
        one(text),
        ["test_a[x-1]", "test_a[x-2]", "test_b[p]", "test_b[q]", "test_c[3]", "test_d[...]?", "test_e[...]?"]
    );
}

#[test]
fn fixtures_of_conftests_and_unknown_ones() {
    let conftest = "import pytest\n@pytest.fixture\ndef known(tmp_path): pass\n@pytest.fixture(params=[1, 2])\ndef many(): pass\n@pytest.fixture\ndef through(many): pass\n";
    let test = "def test_a(known): pass\ndef test_b(through): pass\ndef test_c(unknown): pass\n";
    let found = listed(&[("conftest.py", conftest), ("a/test_m.py", test)]);
    assert_eq!(
        found,
        ["a/test_m.py::test_a", "a/test_m.py::test_b[1]", "a/test_m.py::test_b[2]", "a/test_m.py::test_c?"]
    );
    let overriding = "import pytest\n@pytest.fixture\ndef many(): pass\ndef test_b(through): pass\n@pytest.fixture(autouse=True, params=['z'])\ndef auto(): pass\n";
    assert_eq!(listed(&[("conftest.py", conftest), ("test_m.py", overriding)]), ["test_m.py::test_b[z]"]);
}

#[test]
fn what_depends_on_more_than_the_text_is_provisional() {
    for before in [
        "def pytest_generate_tests(metafunc): pass\n",
        "import pytest\npytest.importorskip('x')\n",
        "pytestmark = f()\n",
        "import pytest\npytest.skip(allow_module_level=True)\n",
        "if x:\n    raise A\n",
        "pytest_plugins = 'a'\n",
        "def f(:\n",
    ] {
        let found = one(&format!("{before}\n\ndef test_a(): pass\n"));
        assert!(found.contains(&"test_a?".to_owned()), "{before}: {found:?}");
    }
    for text in ["if x:\n    def test_a(): pass\n", "@decorated\ndef test_a(): pass\n", "test_a = f()\n"] {
        assert_eq!(one(text), ["test_a?"], "{text}");
    }
    for conftest in [
        "def pytest_collection_modifyitems(): pass\n",
        "collect_ignore = []\n",
        "from a import *\n",
        "pytest_plugins = []\n",
    ] {
        assert_eq!(
            listed(&[("conftest.py", conftest), ("test_m.py", "def test_a(): pass\n")]),
            ["conftest.py?", "test_m.py::test_a?"],
            "{conftest}"
        );
    }
    assert_eq!(
        listed(&[("conftest.py", "def pytest_addoption(): pass\n"), ("test_m.py", "def test_a(): pass\n")]),
        ["test_m.py::test_a"]
    );
    assert_eq!(
        listed(&[("a/conftest.py", "collect_ignore = []\n"), ("test_m.py", "def test_a(): pass\n")]),
        ["a/conftest.py?", "test_m.py::test_a"]
    );
}

#[test]
fn files_that_may_hold_more_say_so() {
    for text in [
        "from a import *\n",
        "TestX = f()\n",
        "globals()['test_a'] = 1\n",
        "class TestA(Unknown):\n    pass\n",
        "from a import TestB\n",
    ] {
        assert!(one(text).contains(&"?".to_owned()), "{text}: {:?}", one(text));
    }
    let found =
        listed(&[("base.py", "class Base:\n    def test_a(self): pass\n"), ("test_m.py", "from base import Base\n")]);
    assert_eq!(found, ["test_m.py?"]);
    for text in [
        "from unittest import mock\n",
        "import testing\n",
        "class Error(Exception): pass\n",
        "from enum import Enum\nclass E(Enum): x = 1\n",
    ] {
        assert!(one(text).is_empty(), "{text}: {:?}", one(text));
    }
}
