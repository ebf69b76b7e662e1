//! Names that are known: of fixtures, decorators, hooks, modules and classes.

/// Fixtures without parameters that pytest and well-known plugins bring.
pub(super) const FIXTURES: &[&str] = &[
    "request",
    "tmp_path",
    "tmp_path_factory",
    "tmpdir",
    "tmpdir_factory",
    "capsys",
    "capfd",
    "capsysbinary",
    "capfdbinary",
    "capteesys",
    "caplog",
    "monkeypatch",
    "recwarn",
    "cache",
    "pytestconfig",
    "record_property",
    "record_testsuite_property",
    "record_xml_attribute",
    "doctest_namespace",
    "subtests",
    "testdir",
    "pytester",
    "mocker",
    "benchmark",
    "faker",
    "event_loop",
    "worker_id",
    "testrun_uid",
    "class_mocker",
    "module_mocker",
];

/// Decorators that leave a function what it is, to pytest.
pub(super) const TRANSPARENT: &[&str] = &[
    "hypothesis.given",
    "hypothesis.settings",
    "hypothesis.example",
    "hypothesis.seed",
    "hypothesis.reproduce_failure",
    "unittest.skip",
    "unittest.skipIf",
    "unittest.skipUnless",
    "unittest.expectedFailure",
    "typing.no_type_check",
];

/// Decorators that give a function some of its arguments.
pub(super) const FILLING: &[&str] = &[
    "hypothesis.given",
    "unittest.mock.patch",
    "unittest.mock.patch.object",
    "mock.patch",
    "mock.patch.object",
    "unittest.mock.patch.multiple",
];

/// Hooks by which a conftest cannot change what is collected.
pub(super) const HARMLESS_HOOKS: &[&str] = &[
    "pytest_addoption",
    "pytest_report_header",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_assertrepr_compare",
    "pytest_unconfigure",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_runtest_logreport",
    "pytest_runtest_logstart",
    "pytest_runtest_logfinish",
    "pytest_runtest_protocol",
    "pytest_warning_recorded",
    "pytest_fixture_setup",
    "pytest_fixture_post_finalizer",
    "pytest_report_teststatus",
    "pytest_exception_interact",
    "pytest_internalerror",
    "pytest_keyboard_interrupt",
    "pytest_report_collectionfinish",
    "pytest_pyfunc_call",
    "pytest_enter_pdb",
    "pytest_leave_pdb",
];

/// Modules of the standard library whose classes hold no tests.
pub(super) const PLAIN_MODULES: &[&str] = &[
    "abc",
    "argparse",
    "ast",
    "asyncio",
    "collections",
    "configparser",
    "contextlib",
    "contextvars",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "http",
    "importlib",
    "io",
    "json",
    "logging",
    "numbers",
    "os",
    "pathlib",
    "pickle",
    "queue",
    "random",
    "socketserver",
    "string",
    "threading",
    "types",
    "typing",
    "typing_extensions",
    "uuid",
    "weakref",
    "html",
    "code",
    "cmd",
    "multiprocessing",
    "email",
    "codecs",
    "tokenize",
    "zipfile",
];

/// Classes without a module that hold no tests.
pub(super) const PLAIN_CLASSES: &[&str] = &[
    "object",
    "dict",
    "list",
    "str",
    "int",
    "float",
    "tuple",
    "set",
    "frozenset",
    "bytes",
    "bytearray",
    "type",
    "complex",
    "property",
    "Exception",
    "BaseException",
    "ValueError",
    "TypeError",
    "KeyError",
    "IndexError",
    "AttributeError",
    "RuntimeError",
    "OSError",
    "IOError",
    "ImportError",
    "LookupError",
    "NotImplementedError",
    "ArithmeticError",
    "AssertionError",
    "StopIteration",
    "UserWarning",
    "Warning",
    "DeprecationWarning",
    "KeyboardInterrupt",
    "SystemExit",
    "UnicodeError",
    "ZeroDivisionError",
    "ModuleNotFoundError",
    "ConnectionError",
    "TimeoutError",
];

pub(super) fn is_unittest(path: &str) -> bool {
    matches!(
        path,
        "unittest.TestCase"
            | "unittest.IsolatedAsyncioTestCase"
            | "unittest.case.TestCase"
            | "unittest.async_case.IsolatedAsyncioTestCase"
    )
}

pub(super) fn is_transparent(path: &str) -> bool {
    TRANSPARENT.contains(&path) || FILLING.contains(&path)
}

/// Whether something of that dotted name is of a module of the standard library that brings no tests.
pub(super) fn is_plain_path(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or(path);
    path.contains('.') && PLAIN_MODULES.contains(&first) || PLAIN_MODULES.contains(&path)
}
