"""The projects whose own suites dx-py must agree with pytest about: data only.

All come from PyPI and ship their tests in the sdist. Between them they use what suites use: plugins
(hypothesis, asyncio, anyio, mock, benchmark, timeout...), unittest and subtests, doctests, custom collectors
and items, hooks in conftest files, every fixture scope, import modes and ini dialects.

`pins/NAME.txt` holds the exact versions. Without that file the versions are resolved from `requirements` and the file
is written: that is how a project is added, and how its pins are renewed.
"""

from dataclasses import dataclass, field

PYTEST = "pytest==9.2.0"

# For both sides. The cache plugin is off because what one run stores there must not order the next one's tests.
OPTIONS = ("-p", "no:cacheprovider", "-q")


@dataclass(frozen=True)
class Project:
    name: str
    version: str
    arguments: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    deselect: tuple[str, ...] = ()
    pytest: str = PYTEST
    editable: bool = False  # install the unpacked sdist itself: the suite needs its own tree to be the one imported
    environment: dict[str, str] = field(default_factory=dict)
    note: str = ""  # why something is left out, or what fails under real pytest too

    def pytest_arguments(self) -> list[str]:
        deselections = [word for test in self.deselect for word in ("--deselect", test)]
        return [*OPTIONS, *self.arguments, *deselections]


COVERAGE_MODULES = """
    arcs annotate bytecode cmdline collector config context data debug execfile filereporter files goldtest html json
    lcov misc mixins numbits parser phystokens plugins python results sqlitedb templite testing version xml
"""

PROJECTS = {
    project.name: project
    for project in (
        # From small to big: a run over all of them shows its first differences early.
        Project("cachetools", "8.0.1", ("tests",), note="24 subtests"),
        Project(
            "marshmallow",
            "4.4.0",
            ("tests",),
            requirements=("simplejson",),
            deselect=(
                "tests/test_deserialization.py::TestFieldDeserialization::test_invalid_datetime_deserialization",
            ),
            note="the deselected test has the current time in its node ids",
        ),
        Project(
            "structlog",
            "26.1.0",
            ("tests",),
            requirements=("pytest-asyncio", "simplejson", "time-machine", "rich", "twisted", "better-exceptions"),
        ),
        Project("boltons", "26.2.0", ("--doctest-modules", "boltons", "tests")),
        Project(
            "flask",
            "3.1.3",
            ("tests",),
            requirements=("asgiref", "greenlet", "python-dotenv"),
            pytest="pytest==9.0.3",
            note="its conftest uses a private name that pytest 9.1 removed",
        ),
        Project("jinja2", "3.1.6", ("tests",), requirements=("trio",)),
        Project("click", "8.5.1", ("tests",), note="31,000 stress tests deselected by its own options"),
        Project("asgiref", "3.13.0", ("tests",), requirements=("packaging", "pytest-asyncio", "setuptools")),
        Project(
            "babel",
            "2.18.0",
            ("babel", "tests"),
            requirements=("freezegun", "pytz", "tzdata"),
            note="its conftest collects the doctests itself",
        ),
        Project("pyrsistent", "0.20.0", ("tests",), requirements=("hypothesis",)),
        Project(
            "starlette",
            "1.10.0",
            ("tests",),
            requirements=(
                "starlette[full]==1.10.0",
                "httpx2[zstd]",
                "blockbuster",
                "importlib-metadata",
                "opentelemetry-sdk",
                "pytest-codspeed",
                "trio",
            ),
        ),
        Project("parso", "0.8.7", (), requirements=("docopt",)),
        Project("more-itertools", "11.2.1", ("tests",), note="21,194 subtests in 765 tests"),
        Project("attrs", "26.1.0", ("tests",), requirements=("hypothesis", "cloudpickle", "pympler")),
        Project(
            "jsonschema",
            "4.26.0",
            ("jsonschema/tests",),
            requirements=("jsonschema[format]==4.26.0", "virtue", "jsonpath-ng", "pip"),
        ),
        Project(
            "requests",
            "2.34.2",
            ("tests",),
            requirements=("pytest-httpbin==2.1.0", "httpbin~=0.10.0", "pytest-mock", "trustme", "PySocks"),
            deselect=(
                "tests/test_requests.py::TestTimeout::test_connect_timeout",
                "tests/test_requests.py::TestTimeout::test_total_timeout_connect",
            ),
            note="the deselected tests need an address that does not answer",
        ),
        Project(
            "packaging",
            "26.3",
            ("--ignore=tests/test_version.py", "tests"),
            requirements=("hypothesis", "pip", "pretend", "tomli_w"),
            note="test_version.py left out: 31,607 cases in one file",
        ),
        Project(
            "coverage",
            "7.17.3",
            (
                "-o",
                "addopts=-q -p no:legacypath --no-flaky-report -rfEX",
                "-o",
                "verbosity_assertions=5",
                *(f"tests/test_{module}.py" for module in COVERAGE_MODULES.split()),
            ),
            requirements=("flaky", "hypothesis", "pytest-xdist"),
            editable=True,
            note="its own addopts has -n auto and --failed-first; the slow modules are left out",
        ),
        Project(
            "networkx",
            "3.6.1",
            (
                "--doctest-modules",
                "networkx/classes",
                "networkx/generators",
                "networkx/readwrite",
                "networkx/utils",
                "networkx/linalg",
                "networkx/convert_matrix.py",
                "networkx/relabel.py",
                "networkx/tests",
                "networkx/algorithms/shortest_paths",
                "networkx/algorithms/traversal",
            ),
            requirements=("numpy", "scipy", "pandas", "matplotlib", "lxml"),
        ),
        Project(
            "sqlalchemy",
            "2.1.9",
            (
                *(f"test/base/test_{module}.py" for module in ("utils", "events", "result", "except", "inspect")),
                "test/engine",
                "test/ext/declarative",
                *(f"test/ext/test_{module}.py" for module in ("hybrid", "compiler", "baked")),
                *(f"test/sql/test_{module}.py" for module in ("operators", "select", "types", "utils")),
            ),
            requirements=("greenlet", "aiosqlite", "typing-extensions"),
            deselect=("test/engine/test_pool.py",),
            note="without orm and dialects; its pytest plugin lies in lib/sqlalchemy/testing",
        ),
        Project(
            "python-dateutil",
            "4.0.0",
            ("tests",),
            requirements=("freezegun", "hypothesis", "attrs", "build", "pytest-cov"),
        ),
        Project(
            "pydantic",
            "2.14.3",
            (
                "--ignore=tests/benchmarks",
                "--ignore=tests/mypy",
                "--ignore=tests/typechecking",
                "--ignore=tests/test_docs.py",
                "tests",
            ),
            requirements=(
                "pydantic[email]==2.14.3",
                "pytz",
                "dirty-equals",
                "pytest-mock",
                "pytest-examples",
                "faker",
                "pytest-benchmark",
                "packaging",
                "jsonschema",
                "time-machine",
                "pytest-run-parallel",
            ),
            note="one module parametrizes over a set: its order follows the hash seed",
        ),
        Project(
            "anyio",
            "4.16.0",
            ("--ignore=tests/test_lazyimport.py", "--ignore=tests/test_sockets.py", "tests"),
            requirements=(
                "blockbuster",
                "hypothesis",
                "psutil",
                "pytest-mock",
                "pytest-timeout",
                "trustme",
                "truststore",
                "uvloop",
                "trio",
            ),
            deselect=(
                "tests/test_pytest_plugin.py::test_keyboardinterrupt_during_test",
                "tests/test_pytest_plugin.py::test_dynamic_async_fixture_access_does_not_hang",
                "tests/test_taskgroups.py::test_nested_task_group_filtering",
            ),
            note="deselected: short time-outs of subprocesses, and one that depends on the garbage collector",
        ),
        Project(
            "pytest",
            PYTEST.partition("==")[2],
            ("testing",),
            requirements=(f"pytest[dev]=={PYTEST.partition('==')[2]}",),
            environment={"PYTHONWARNDEFAULTENCODING": "1"},  # as its tox.ini has it
            note="pytest's own suite; pytest_own.py also runs it with our engine inside its tests",
        ),
    )
}

# Few seconds each and nothing to compile: what every change is checked against.
QUICK = ("cachetools", "marshmallow", "structlog")
