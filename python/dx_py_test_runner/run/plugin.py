"""The plugin through which a run steers pytest: options, checkpoints, the loop over the items."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Generator, Iterator
from typing import Any

import pluggy
import pytest

from dx_py_test_runner.engine import assertion, garbage, hypothesis_plugin
from dx_py_test_runner.engine.lean import paths
from dx_py_test_runner.engine.lean.collection import lean_collection, order_ahead
from dx_py_test_runner.inputs.compare import Unfit
from dx_py_test_runner.inputs.record import Recorder
from dx_py_test_runner.run import collected, distribute, fit, known_tests, options, refresh, settings, verdict, xdist_names
from dx_py_test_runner.run.inline import silence
from dx_py_test_runner.run.printed import Printed
from dx_py_test_runner.run.settling import Settled
from dx_py_test_runner.run.selection import Selection, Watching, move
from dx_py_test_runner.tower import adopt, hazards
from dx_py_test_runner.tower.job import Job
from dx_py_test_runner.tower.tower import Tower
from dx_py_test_runner.wire import frozen
from dx_py_test_runner.wire.status import FINISH, LOAD, TESTS


_NOT_REMEMBERED = "dx-py: not remembered what all tests depend on: {}. They will run again."


class TeardownFailed(Exception):
    """What workers had left set up could not be torn down. The text is their tracebacks."""


class RunPlugin:
    """Registered before pytest parses anything; lives in the run and, by inheritance, in its workers."""

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.delta = adopt.EnvironmentDelta(tower.job.env)
        self.random_state = adopt.RandomState()
        recording = tower.job.levels or "--doctor" in tower.job.args
        self.recorder = Recorder(enabled=recording, environment=tower.job.env)
        self.selection: Selection | None = None
        self.settled: Settled | None = None
        self.collection = collected.Collection()
        self.began_ns = time.time_ns()
        self._session: Any = None
        self.explained: list[str] = []
        self.line = ""
        self.audit: list[str] = []
        if recording or any(word.startswith(("--affected", "--changed")) for word in tower.job.args):
            self._tell_owners()
        self._stopped = False
        """Whether pytest has been interrupted: by the user, or because it was asked to stop, or"""
        self._broken = False
        """because files could not be collected."""
        self._told: dict[str, Any] | None = None
        self.loaded = False
        self.collects_for_tests = False
        self.hazard: str | None = None
        self.printed = Printed()
        self.offsets: dict[int, int] = {}
        self._collecting = contextlib.ExitStack()
        tower.page.doing = "load:pytest's configuration"

    def _tell_owners(self) -> None:
        """What is read from here on can be told of each test."""
        self.recorder.tell_owners()
        self.recorder.enable()

    # ---- configuration

    @pytest.hookimpl(tryfirst=True)
    def pytest_addoption(self, parser: Any, pluginmanager: Any) -> None:
        self._pass_unnoticed(pluginmanager.get_plugin("pytestconfig"))
        xdist_names.keep_out(pluginmanager)
        xdist_names.be_listed(pluginmanager)
        options.add_options(parser)

    def _pass_unnoticed(self, config: Any) -> None:
        """The user has called pytest without us: what the session knows of that call must not say otherwise."""
        given = config.invocation_params
        others = [plugin for plugin in given.plugins or () if plugin is not self]
        config.invocation_params = type(given)(args=given.args, plugins=others or None, dir=given.dir)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Generator[None, object, object]:
        self.tower.page.doing = "load:the initial conftest files"
        if settings.selects(early_config):
            self._tell_owners()
        if self.tower.job.levels or self.recorder.owners is not None:
            self.recorder.watch_options(early_config)
        if settings.engine(early_config) == "lean":
            assertion.install(early_config)
            assertion.use_pack(early_config, self.tower.job.env)
        try:
            return (yield)
        finally:
            self.tower.journal.check()

    def _take(self, session: Any, watching: Watching) -> None:
        """Take down what the run has found out. Whatever goes wrong here, the tests have run, and their outcomes stand."""
        assert self.selection is not None
        journal = self.tower.journal.fd
        try:
            self.selection.take(session, journal, watching.parts())
        except Exception as error:
            watching.trouble = f"{type(error).__name__}: {error}"
        self.audit = self.selection.told(journal, session)
        if watching.trouble:
            self.audit.append(_NOT_REMEMBERED.format(watching.trouble))

    def _remember(self) -> None:
        """Keep it, when the user has seen all there is to be seen."""
        if self.selection is not None:
            try:
                self.selection.remember()
            except Exception as error:
                sys.stderr.write(_NOT_REMEMBERED.format(f"{type(error).__name__}: {error}") + "\n")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self.audit:
            terminalreporter.write_line(line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> int | None:
        if config.option.history is not None:
            return move(config, self.tower.job.env, *config.option.history)
        self.loaded = True
        self.tower.page.doing = "load:pytest_cmdline_main"
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        self.tower.page.doing = "load:pytest_configure"
        settings.apply(config)
        xdist_names.make_known(config)
        if config.option.engine == "lean":
            garbage.install()
            paths.install()
            hypothesis_plugin.spare_unused_import(config)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> Generator[None, object, object]:
        self.tower.page.doing = "load:pytest_sessionstart"
        with silence(session.config) if self.tower.job.carry else contextlib.nullcontext():
            result = yield
        self.printed.header_ends()
        return result

    # ---- checkpoints

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_finish(self, session: Any) -> Generator[None, object, object]:
        self._collecting.close()
        assertion.end_ahead(session.config)
        with silence(session.config) if self.tower.job.carry.get("resume") else contextlib.nullcontext():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: Any) -> None:
        """The *configured* level ends here: plugins and initial conftests are loaded, nothing is collected."""
        config = session.config
        self.tower.page.doing = "load:collection"
        self.recorder.know(config)
        self.recorder.quiet = True
        self.collects_for_tests = True
        refresh.note_initial_conftests(config)
        self._checkpoint("configured", session, self._profile(config))
        self._settle(config)
        assertion.begin_ahead(config, lambda fd: self.tower.tell({"op": "compile", "run": self.tower.job.number}, [fd]))
        # Ends in pytest_collection_finish, which pytest calls in any case. A wrapper would be seen in internal errors.
        if self.tower.job.carry:
            # "collecting ..." is on the screen already.
            self._collecting.enter_context(silence(config))
        self._collecting.enter_context(lean_collection(session, self._begin_module, self._end_module))

    def _settle(self, config: Any) -> None:
        """Find out which files need not be collected."""
        self.settled = self.selection = None
        if config.option.affected:
            with self._unrecorded():
                self.selection = Selection(config, self.tower.job.env, self.began_ns, frozenset(self.recorder.options_of_project))
                self.settled = self.selection.settle()

    @contextlib.contextmanager
    def _unrecorded(self) -> Iterator[None]:
        """What we look at ourselves is no input of anybody."""
        before, self.recorder.quiet = self.recorder.quiet, True
        try:
            yield
        finally:
            self.recorder.quiet = before

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: Any, config: Any, items: list[Any]
    ) -> Generator[None, object, object]:
        """The *collected* level ends here: the items exist, nobody has chosen among them yet."""
        self.tower.page.doing = "load:the collected items"
        assertion.end_ahead(config)
        # Verbs such as --fixtures collect by themselves, without pytest_collection.
        if self.collects_for_tests:
            self.recorder.quiet = True
            # Made anew: the process may have come from a level that was configured for another command line.
            profile = self._profile(config)
            if self.settled is not None and self.settled.files:
                profile = None  # these are not all items that there are
            if self.tower.job.levels:
                order_ahead(session, items)
            self._checkpoint("collected", session, profile and profile.with_items(session))
        hooks_matter = self._follow_modifying(config)
        if not hooks_matter:
            self._stop_recording()
        selects = config.option.affected or config.option.changed is not None or settings.records(config)
        everything = list(items)
        if selects and not hooks_matter:
            # Only then is anybody asked what it was: hypothesis looks at every module's path here.
            self.recorder.follow_hooks()
        result = yield
        if hooks_matter:
            self.collection.inputs = self._seen_inputs()
            self._stop_recording()
        self._session = session
        self.recorder.pause()
        if self.collects_for_tests and selects:
            read = frozenset(self.recorder.options_of_project)
            if self.selection is None:
                self.selection = Selection(config, self.tower.job.env, self.began_ns, read)
            else:
                self.selection.look_again(read)
            whole = not (session.testsfailed or getattr(config.option, "lf", False) or any("::" in name for name in config.args))
            self.selection.know(session, everything, self.settled, whole=whole)
            if config.option.why is None:
                if config.option.affected or config.option.changed is not None:
                    self.selection.choose(session)
                    self.line = self.selection.line(session)
            else:
                self.explained = self.selection.explain(session, config.option.why)
        if self.selection is None:
            self.recorder.stop()
        self.recorder.go_on()
        return result

    def _seen_inputs(self) -> Any:
        """All that was read so far; None if something may have been read unseen."""
        unseen = "this run makes up for one that died" if self.tower.job.carry else self.recorder.unseen()
        if unseen:
            self.collection.unknown = unseen
            return None
        self.collection.texts = frozenset(self.recorder.texts)
        self.collection.temporary = tuple(self.recorder.temporary)
        return self.recorder.snapshot()

    def _follow_modifying(self, config: Any) -> bool:
        """Have recorded what others read when they change the items, if what was collected is to be kept."""
        if self.collection.inputs is None or not collected.hooks_matter(config):
            return False
        selects = config.option.affected or config.option.changed is not None or settings.records(config)
        if selects or collected.is_kept(config, self.tower.job, self.collection, frozenset(self.recorder.options_of_project)):
            self.collection.inputs = None
            return False
        if not self.recorder.is_on:
            self.recorder.resume(self.tower.job.env)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_collectionfinish(self) -> str | list[str] | None:
        if self.selection is None:
            return None
        return self.explained or self.line or None

    def _profile(self, config: Any) -> fit.Profile | None:
        """What a level would be made for; None where there can be none."""
        # Parsing options again may do something: their types are the project's functions.
        if not self.tower.job.levels:
            return None
        try:
            return fit.Profile.of(config, self.tower.job, self.recorder)
        except Unfit as reason:
            self.tower.note(f"no level: {reason}")
            return None

    def _checkpoint(self, name: str, session: Any, profile: fit.Profile | None) -> None:
        config = session.config
        self.recorder.quiet = True
        self.delta.close(self.recorder.written)
        self.random_state.close()
        self.offsets = adopt.open_files(_held(config))
        self.hazard = self.hazard or hazards.find(self.recorder, _held(config))
        if name == "collected" and self.tower.job.levels:
            self.collection.inputs = self._seen_inputs()
        if profile is None:
            self.recorder.quiet = False
            return
        refusal = (
            self.hazard
            or ("this run makes up for one that died" if self.tower.job.carry else "")
            or self.recorder.doubt()
            or profile.refusal(name, session)
            or self.printed.refusal(config.option)
        )
        if refusal:
            self.tower.note(f"no {name} level: {refusal}")
            self.recorder.quiet = False
            return
        inputs = self.collection.inputs if name == "collected" and self.collection.inputs is not None else self.recorder.snapshot()

        def check(job: Job) -> None:
            profile.check(name, job, session)
            inputs.check(job.env)

        facts = {"argv": list(self.tower.job.args), "inputs": inputs.counts()}
        self.recorder.pause()
        ready = (lambda: self._get_ready(config)) if name == "collected" else None

        def when_idle() -> None:
            # Otherwise looked for among all distributions by each run: its header says it.
            vars(pluggy).setdefault("__version__", pluggy.__version__)
            inputs.remember_contents()
            known_tests.look_ahead(config)
            if name == "collected":
                distribute.look_ahead(session.items)

        again = self.tower.checkpoint(name, check, facts, lambda: adopt.let_go(config), when_idle, ready)
        self.recorder.go_on()
        if again:
            # What was found out belongs to the run that has found it out.
            self.selection = self.settled = None
            if name == "configured":
                # What it collects is its own.
                self.collection = collected.Collection()
            if ready is None:
                self._get_ready(config)
            self._serve_another(name, session, profile)
        else:
            # The fork has seeded ``random``, which would pass for the project's doing at the next checkpoint.
            self.random_state.restore()
            # What was captured so far stays with the level for its later runs, untouched by this one.
            adopt.renew_capture(config)
        self.recorder.quiet = False

    def _get_ready(self, config: Any) -> None:
        """In a fork of the level that stayed behind, before it knows its job: nothing here may depend on that, or be
        seen by a test. It may be done for a job that never comes."""
        self.recorder.stop()
        adopt.renew_capture(config)
        known_tests.look_ahead(config)

    def _serve_another(self, name: str, session: Any, profile: fit.Profile) -> None:
        """In a fork of the level that stayed behind: become the process of the job it was forked for."""
        job = self.tower.job
        self.began_ns = time.time_ns()
        try:
            # All this while the level checks whether it is true: nobody may see anything of it.
            assertion.forget_compiled(session.config)
            adopt.reenter(job, session.config, self.delta)
            self.recorder.align_arguments()
            self.delta.before = job.env
            self.random_state.restore()
            adopt.reopen_files(self.offsets)
            parsed = refresh.prepare(job, session, profile)
        finally:
            # What goes wrong is reported only if the job is ours.
            self.tower.begin()
        if name == "configured" and job.levels:
            self.recorder.resume(job.env)
        refresh.for_job(name, job, session, profile, self.printed, parsed)
        if name == "configured" and job.levels:
            self.recorder.watch_options(session.config)
        self.printed.header_ends()

    def _after_fork(self, config: Any) -> None:
        """In a worker: nothing that processes would share by having been forked."""
        self.random_state.restore()
        adopt.reopen_files(self.offsets)
        adopt.renew_capture(config)

    def _stop_recording(self) -> None:
        self.recorder.stop()
        adopt.forget_printed()

    # ---- files that killed an earlier attempt

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
        """Name the file about to be imported; a file that killed an earlier attempt is a collection error."""
        if not isinstance(collector, pytest.File):
            return (yield)
        path = str(collector.path)
        self.tower.page.doing = f"collect:{path}"
        self.collection.add(path)
        try:
            return (yield)
        finally:
            # A file that closes our descriptors when it is imported ends the process as surely as one that exits.
            self.tower.journal.check()
            if collector.config.option.engine == "lean":
                frozen.keep()

    def _begin_module(self, module: Any) -> Any:
        """What both hooks around here do, for modules that are collected without hooks."""
        self.tower.page.doing = f"collect:{module.path}"
        self.collection.add(module.path)
        return self.pytest_report_crashed_file(module)

    def _end_module(self) -> None:
        self.tower.journal.check()
        frozen.keep()

    @pytest.hookimpl(specname="pytest_make_collect_report", tryfirst=True)
    def pytest_report_crashed_file(self, collector: Any) -> Any:
        """Do not import a file again that killed an earlier attempt, nor one of which nothing need run."""
        if self.settled is not None and isinstance(collector, pytest.File):
            with self._unrecorded():
                if self.settled.leaves_out(collector.path):
                    return pytest.CollectReport(collector.nodeid, "passed", None, [])
        how = self.tower.job.carry.get("crashed_files", {}).get(str(collector.path))
        if how is None or not isinstance(collector, pytest.File):
            return None
        text = f"importing {collector.nodeid} ended the process: {how}"
        return pytest.CollectReport(collector.nodeid, "failed", text, [])

    # ---- the items

    @pytest.hookimpl(specname="pytest_runtestloop", tryfirst=True)
    def pytest_loading_ends(self, session: Any) -> bool | None:
        """Before anybody runs anything."""
        self._stop_recording()
        self._keep_collection(session)
        assertion.save_pack(session.config)
        if not session.config.option.doctor:
            return None
        from dx_py_test_runner.run import doctor

        doctor.report(session, self.recorder, self.hazard)
        return True

    def _keep_collection(self, session: Any) -> None:
        """For ``dx-py list``. Whatever goes wrong here, the tests are to run."""
        try:
            why = collected.keep(session, self.tower.job, self.collection, frozenset(self.recorder.options_of_project))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            self.tower.note(f"collection not kept: {why}")

    def pytest_runtestloop(self, session: Any) -> bool | None:
        """In the place of pytest's own loop: behind those of conftests and other plugins, which may do as they like."""
        config = session.config
        if session.testsfailed and not config.option.continue_on_collection_errors:
            self._broken = True
            return None  # pytest's own loop raises the error
        if config.option.collectonly:
            return None
        if self.selection is not None and self.selection.left_out and not session.items:
            # The tests are there, and what is known of them is good news: no reason to end as if there were none.
            session.testscollected = self.selection.left_out
            return True
        self.tower.page.doing = "test:"
        self.tower.page.phase = TESTS
        try:
            watching = None if self.selection is None else Watching(self.recorder, session, self.selection.world.outline)
            distribute.run_items(session, self.tower, self.hazard, lambda: self._after_fork(config), watching)
        finally:
            if watching is not None:
                self._take(session, watching)
            self.tower.page.item = None
            self.tower.page.phase = FINISH
            self.tower.page.doing = "finish:pytest_sessionfinish"
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self.tower.page.phase = FINISH
        self.tower.page.doing = "finish:pytest_sessionfinish"

    @pytest.hookimpl(specname="pytest_sessionfinish")
    def pytest_workers_have_torn_down(self) -> None:
        """Where pytest tears down what a stopped session has left, and ends with a traceback if that fails."""
        if self.tower.torn:
            raise TeardownFailed("".join(self.tower.torn))

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        self._stopped = True

    @pytest.hookimpl(specname="pytest_sessionfinish", trylast=True)
    def pytest_verdict_is_told(self, session: Any, exitstatus: int) -> None:
        """When everybody else has had a say in the exit code."""
        if session.config.option.tell is not None:
            stopped = self._stopped and not (session.shouldstop or self._broken)
            self._told = verdict.verdict_of(session, exitstatus, stopped=stopped)

    @pytest.hookimpl(specname="pytest_unconfigure", tryfirst=True)
    def pytest_everything_is_said(self, config: Any) -> None:
        """The user has seen the summary. Who waits for the verdict need not wait for what follows."""
        if self._told is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            with contextlib.suppress(OSError):  # who has asked is gone
                verdict.write(config.option.tell, self._told)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._remember()
        if self.tower.page.phase != LOAD:
            self.tower.page.doing = "finish:pytest_unconfigure"


def _held(config: Any) -> set[int]:
    return {fd for fds in adopt.held_streams(config).values() for fd in fds}
