"""One daemon, many command lines: what an earlier one asked for has no part in what a later one gets."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from dxpy import DxPy
from terminal import check_same, layout

LINES: tuple[tuple[str, ...], ...] = (
    (),
    ("test_two.py",),
    ("below",),
    ("test_one.py::test_a",),
    ("test_two.py", "test_one.py"),
    ("test_one.py::test_b", "test_one.py::test_a"),
    ("below/test_three.py::TestThree::test_method",),
    (".",),
    ("-k", "a or method"),
    ("-m", "slow"),
    ("-x",),
    ("--deselect", "test_one.py::test_b"),
    ("--ignore", "below"),
    ("-v", "--durations=0", "--durations-min=100"),
    ("-q", "-rA", "--tb=line"),
    ("--collect-only", "-q"),
    ("-W", "error"),
    ("-o", "python_functions=test_a"),
    ("--fixtures-per-test", "test_one.py::test_a"),
    ("--setup-plan", "below"),
)


@pytest.fixture(scope="module", params=["no settings", "testpaths"])
def project(request: pytest.FixtureRequest) -> Iterator[DxPy]:
    place = DxPy.create()
    settings = "testpaths = test_two.py below\n" if request.param == "testpaths" else ""
    place.write("pytest.ini", f"[pytest]\nmarkers = slow\n{settings}")
    place.write("test_one.py", """
        import pytest
        def test_a(): pass
        def test_b(): assert 0
        @pytest.mark.slow
        def test_c(): pass
    """)
    place.write("test_two.py", "def test_a(tmp_path): pass\ndef test_d(request): assert 'x' == 'y'\n")
    place.write("below/test_three.py", """
        import warnings
        class TestThree:
            def test_method(self):
                warnings.warn("three")
    """)
    yield place
    place.remove()


def test_a_run_gets_what_it_asked_for(project: DxPy) -> None:
    """In a random order, each line twice; the screens are pytest's."""
    real = {}
    for line in LINES:
        ended = project.pytest("-p", "no:cacheprovider", *line)
        real[line] = (ended.code, layout(ended.out))
    order = [*LINES, *LINES]
    random.Random(5).shuffle(order)
    for number, line in enumerate(order):
        workers = "1" if number % 3 else "2"
        ended = project.test("-n", workers, "-p", "no:cacheprovider", *line)
        try:
            check_same((ended.code, layout(ended.out)), real[line])
        except AssertionError as error:
            before = [" ".join(each) for each in order[:number]]
            raise AssertionError(f"{' '.join(line)!r} after {before}:\n{error}\n{project.log()}") from None


def test_whole_project_after_one_file(project: DxPy) -> None:
    """The shortest case of the above, for each way of naming less than everything."""
    wanted = project.pytest().counts
    for line in (("test_two.py",), ("below",), ("test_one.py::test_a",), ("-k", "test_a"), ("--ignore=below",)):
        project.stop_daemon()
        project.test("-n", "1", *line)
        assert project.test("-n", "1").counts == wanted, line


def test_every_line_is_warm_the_second_time(project: DxPy) -> None:
    """Also the one that was served, the first time, by a level that another one had left."""
    project.write("test_two.py", f"""
        import os
        LOADED_BY = os.getpid()
        def test_a(): pass
        def test_d():
            with open({str(project.root / "told")!r}, "a") as file:
                file.write(f"{{LOADED_BY}}\\n")
    """)
    project.test("-n", "1", "test_one.py")
    for _ in range(3):
        assert project.test("-n", "1", "test_two.py").counts == {"passed": 2}
    first, second, third = (project.root / "told").read_text().split()
    assert first == second == third, project.log()


def test_the_list_of_known_tests_is_the_one_that_pytest_writes(project: DxPy) -> None:
    """All known already, one more, an order that is not pytest's, and what is no list at all."""
    kept = project.project / ".pytest_cache/v/cache/nodeids"
    lines = [("test_one.py::test_a",), ("below",), ("test_one.py::test_c",)]
    for line in lines * 2:
        project.test("-n", "1", *line)
    entries = '[\n  "test_one.py::test_%s",\n  "test_one.py::test_%s"\n]'
    for before in (entries % ("a", "b"), entries % ("b", "a"), "[", "[]", entries % ("c", "d")):
        for line in lines:
            written = []
            for run in (project.pytest, lambda *args: project.test("-n", "1", *args)):
                kept.write_text(before)
                run(*line)
                written.append(kept.read_text())
            assert written[0] == written[1], (before, line)


def test_what_a_request_leaves_open_is_the_projects_to_say(place: DxPy) -> None:
    """Not the request's for which it was loaded."""
    place.write("pyproject.toml", '[tool.dx-py]\nnumprocesses = 2\nisolation = "test"\n')
    place.write("test_one.py", """
        import os
        seen = []
        def test_worker(): seen.append(os.environ["PYTEST_XDIST_WORKER_COUNT"]); assert seen[0] == "2"
        def test_alone(): assert not seen
    """)
    # A worker for each of several tests is the project's setting; one for both is asked for at first.
    assert place.test("-n", "1", "--isolation=process").counts == {"failed": 2}
    assert place.test().counts == {"passed": 2}, place.log()
    assert place.test("-n", "1", "--isolation=process").counts == {"failed": 2}
