"""Edits of what one test reads or executes, and what others are given that come after it; and of what hooks read between loading and running."""

from __future__ import annotations

from staleness.edits import Prepare
from staleness.edits.inputs import set_variable
from staleness.edits.single import files, named, number_in

READ = "(Path(__file__).parent.parent / 'data' / 'own.txt').read_text()"
START = "import functools\nimport os\nfrom pathlib import Path\n\n\n"


def given_twice(module: str, value: str = "get()", **more: str) -> Prepare:
    """Two tests in two files, each of which reports what *value* of the module `app.kept` is."""
    test = "import os\n\nimport app.kept\nfrom app.kept import *\n\n\ndef test_value(record_property):\n    record_property('value', VALUE)\n"
    test = test.replace("VALUE", value)
    return files(**{"app__kept": START + module, "tests__test_first": test, "tests__test_second": test, "data__own_DOT_txt": "1\n", **more})


def _write_other_number(scene, rng) -> str:  # type: ignore[no-untyped-def]
    scene.write("data/own.txt", f"{rng.randrange(100, 1000)}\n")
    return "data/own.txt"


for _name, _value, _module in (
    ("cached_function", "get()", f"@functools.cache\ndef get():\n    return {READ}\n"),
    ("global", "get()", f"_known = None\n\n\ndef get():\n    global _known\n    if _known is None:\n        _known = {READ}\n    return _known\n"),
    ("dictionary", "get()", f"_known = {{}}\n\n\ndef get():\n    if 1 not in _known:\n        _known[1] = read()\n    return _known[1]\n\n\ndef read():\n    return {READ}\n"),
    ("class", "C.get()", f"class C:\n    known = None\n\n    @classmethod\n    def get(cls):\n        if cls.known is None:\n            cls.known = {READ}\n        return cls.known\n"),
    ("cached_property", "ONE.value", f"class _C:\n    @functools.cached_property\n    def value(self):\n        return {READ}\n\n\nONE = _C()\n"),
    ("own_decorator", "get()", f"def once(function):\n    known = []\n\n    def inner():\n        if not known:\n            known.append(function())\n        return known[0]\n\n    return inner\n\n\n@once\ndef get():\n    return {READ}\n"),
    ("thread", "get()", f"from concurrent.futures import ThreadPoolExecutor\n\n_known = None\n\n\ndef read():\n    return {READ}\n\n\ndef get():\n    global _known\n    if _known is None:\n        _known = ThreadPoolExecutor(1).submit(read).result()\n    return _known\n"),
    ("lambda", "get()", f"get = functools.cache(lambda: {READ})\n"),
    ("function_wrapped_later", "get()", f"def read():\n    return {READ}\n\n\nget = functools.cache(read)\n"),
):
    named(f"data_file_kept_by_{_name}", given_twice(_module, _value), _write_other_number)

named(
    "data_file_kept_by_another_module",
    given_twice("from app import raw\n\nget = functools.cache(raw.load)\n", app__raw=START + f"def load():\n    return {READ}\n"),
    _write_other_number,
)
named(
    "source_read_twice",
    given_twice("import inspect\n\n\ndef f():\n    return 1  # one\n\n\ndef source():\n    return inspect.getsource(f)\n", "source()"),
    lambda scene, rng: scene.change("app/kept.py", "# one", f"# {rng.random()}"),
)
named(
    "line_read_twice",
    given_twice("import linecache\n\n\ndef line():\n    return linecache.getline('data/own.txt', 1)\n", "line()"),
    _write_other_number,
)
named(
    "folder_for_temporary_files",
    files(tests__test_one="import tempfile\n\n\ndef test_value(record_property):\n    record_property('value', tempfile.gettempdir())\n"),
    lambda scene, rng: set_variable(scene, "TMPDIR", "/var/tmp"),
)
named(
    "variable_kept_by_cached_function",
    given_twice("@functools.cache\ndef get():\n    return os.environ.get('STALENESS_KEPT')\n"),
    lambda scene, rng: set_variable(scene, "STALENESS_KEPT", str(rng.random())),
)
named(
    "variable_read_before_it_is_kept",
    given_twice("@functools.cache\ndef get():\n    return os.environ.get('STALENESS_KEPT')\n", "(os.environ.get('STALENESS_KEPT') if __name__.endswith('first') else '', get())[1]"),
    lambda scene, rng: set_variable(scene, "STALENESS_KEPT", str(rng.random())),
)
named(
    "translation_that_appears",
    given_twice("import gettext\n\n\ndef get():\n    return gettext.find('app', 'locale', ['de'])\n"),
    lambda scene, rng: scene.write("locale/de/LC_MESSAGES/app.mo", "") or "locale/de/LC_MESSAGES/app.mo",
)
named(
    "language",
    given_twice("import gettext\n\n\ndef get():\n    return gettext.find('app', 'locale')\n", locale__de__LC_MESSAGES__app_DOT_mo=""),
    lambda scene, rng: set_variable(scene, "LANGUAGE", "de"),
)
named(
    "function_whose_result_is_kept",
    given_twice("from app.computing import compute\n\n\n@functools.cache\ndef get():\n    return compute()\n", app__computing="def compute():\n    return 1\n"),
    number_in("app/computing.py", "return "),
)
_FILLED = "class C:\n    known = None\n\n    def get(self):\n        if self.known is None:\n            self.known = compute()\n        return self.known\n\n\n"
for _name, _value, _module in (
    ("of_a_module", "ONE.get()", f"{_FILLED}ONE = C()\n"),
    ("of_a_derived_class", "ONE.get()", f"{_FILLED}class D(C):\n    pass\n\n\nONE = D()\n"),
    ("of_an_earlier_test", "current().get()", f"{_FILLED}KEPT = []\n\n\ndef current():\n    if not KEPT:\n        KEPT.append(C())\n    return KEPT[0]\n"),
    (
        "that_is_garbage_and_found_again",
        "current().get()",
        f"import gc\nimport weakref\n\ngc.disable()\n\n\n{_FILLED}KNOWN = weakref.WeakValueDictionary()\n\n\ndef current():\n    if 1 not in KNOWN:\n        one = KNOWN[1] = C()\n        one.me = one\n    return KNOWN[1]\n",
    ),
    (
        "that_has_a_list",
        "ONE.get()",
        "class C:\n    def __init__(self):\n        self.known = []\n\n    def get(self):\n        known = self.known\n        if not known:\n            known.append(compute())\n        return known[0]\n\n\nONE = C()\n",
    ),
    (
        "in_its_items",
        "ONE.get()",
        "class C(dict):\n    def get(self):\n        if 1 not in self:\n            self[1] = compute()\n        return self[1]\n\n\nONE = C()\n",
    ),
):
    named(
        f"function_whose_result_is_kept_in_an_object_{_name}",
        given_twice(f"from app.computing import compute\n\n\n{_module}", _value, app__computing="def compute():\n    return 1\n"),
        number_in("app/computing.py", "return "),
    )
named(
    "function_whose_result_is_kept_in_an_object_of_a_fixture",
    files(
        app__computing="def compute():\n    return 1\n",
        tests__kept__conftest=f"import pytest\nfrom app.computing import compute\n\n\n{_FILLED}@pytest.fixture(scope='session')\ndef lazy():\n    return C()\n",
        tests__kept__test_first="def test_value(lazy, record_property):\n    record_property('value', lazy.get())\n",
        tests__kept__test_second="def test_value(lazy, record_property):\n    record_property('value', lazy.get())\n",
    ),
    number_in("app/computing.py", "return "),
)
for _name, _value, _module in (
    ("a_function", "(compute() if __name__.endswith('first') else 0, get())[1]", "@functools.cache\ndef get():\n    return compute()\n"),
    ("a_lambda", "(compute() if __name__.endswith('first') else 0, get())[1]", "get = functools.cache(lambda: compute())\n"),
    ("another_file", "(compute() if __name__.endswith('first') else 0, get())[1]", "from app import raw\n\nget = functools.cache(raw.load)\n"),
    ("an_object", "(compute() if __name__.endswith('first') else 0, ONE.get())[1]", f"{_FILLED}ONE = C()\n"),
    ("a_second_call", "(get(0), compute() if __name__.endswith('first') else 0, get(1))[2]", "@functools.cache\ndef get(number):\n    return compute() if number else 0\n"),
):
    named(
        f"function_that_was_executed_before_it_is_kept_by_{_name}",
        given_twice(
            f"from app.computing import compute\n\n\n{_module}",
            _value,
            app__computing="def compute():\n    return 1\n",
            app__raw="from app.computing import compute\n\n\ndef load():\n    return compute()\n",
        ),
        number_in("app/computing.py", "return "),
    )
_GIVEN = "def get():\n    if not KNOWN:\n        KEEP(VALUE)\n    return KNOWN[0]\n"
for _name, _keep, _module, _other in (
    ("a_function", "keep_it", "KNOWN = []\n\n\ndef keep_it(value):\n    KNOWN.append(value)\n\n\n", ""),
    ("one_that_gives_it_on", "give_it", "KNOWN = []\n\n\ndef keep_it(value):\n    KNOWN.append(value)\n\n\ndef give_it(*all):\n    one = all\n    keep_it(*one)\n\n\n", ""),
    ("another_file", "others.keep_it", "from app import others\nfrom app.others import KNOWN\n\n\n", "KNOWN = []\n\n\ndef keep_it(value):\n    KNOWN.append(value)\n"),
    ("an_object", "STORE.keep_it", "class Store:\n    def __init__(self):\n        self.all = []\n\n    def keep_it(self, value):\n        self.all.append(value)\n\n\nSTORE = Store()\nKNOWN = STORE.all\n\n\n", ""),
    ("a_function_that_is_told_where", "keep_it", "KNOWN = []\n\n\ndef keep_in(known, value):\n    known.append(value)\n\n\ndef keep_it(value):\n    keep_in(KNOWN, value)\n\n\n", ""),
    ("a_class", "Small", "KNOWN = []\n\n\nclass Large:\n    def __init__(self, value):\n        KNOWN.append(value)\n\n\nclass Small(Large):\n    pass\n\n\n", ""),
    ("an_object_of_its_own", "enlist", "KNOWN = []\n\n\nclass Thing:\n    def __init__(self, value):\n        self.value = value\n\n    def enlist(self):\n        KNOWN.append(self.value)\n\n\ndef enlist(value):\n    thing = Thing(value)\n    thing.enlist()\n\n\n", ""),
):
    _get = _GIVEN.replace("KEEP", _keep)
    named(
        f"function_whose_result_is_given_to_be_kept_by_{_name}",
        given_twice(f"from app.computing import compute\n\n\n{_module}{_get.replace('VALUE', 'compute()')}", app__computing="def compute():\n    return 1\n", app__others=_other),
        number_in("app/computing.py", "return "),
    )
    named(f"data_file_that_is_given_to_be_kept_by_{_name}", given_twice(f"{_module}{_get.replace('VALUE', READ)}", app__others=_other), _write_other_number)
_SLOTTED = "class Slotted:\n    __slots__ = ('known',)\n\n\n"
_WITH_COMPUTE = "from app.computing import compute\n\n\n"
for _name, _module in (
    # What holds it has no name where it is filled, has several, or is not the project's.
    ("a_list_that_is_given", "KNOWN = []\n\n\ndef fill(known):\n    known.append(compute())\n\n\ndef get():\n    if not KNOWN:\n        fill(KNOWN)\n    return KNOWN[0]\n"),
    ("a_list_within_another", "KNOWN = {'all': []}\n\n\ndef get():\n    known = KNOWN['all']\n    if not known:\n        known.append(compute())\n    return known[0]\n"),
    ("lists_that_are_gone_through", "KNOWN = [[], []]\n\n\ndef get():\n    for known in KNOWN:\n        if not known:\n            known.append(compute())\n    return KNOWN[1][0]\n"),
    ("a_variable_around", "def make():\n    known = None\n\n    def get():\n        nonlocal known\n        if known is None:\n            known = compute()\n        return known\n\n    return get\n\n\nget = make()\n"),
    ("a_function", "def get():\n    if not hasattr(get, 'known'):\n        get.known = compute()\n    return get.known\n"),
    ("a_default", "def get(known=[]):\n    if not known:\n        known.append(compute())\n    return known[0]\n"),
    ("an_attribute_of_any_name", "class Kept:\n    pass\n\n\nONE = Kept()\n\n\ndef get():\n    for name in ('known',):\n        if not hasattr(ONE, name):\n            setattr(ONE, name, compute())\n    return ONE.known\n"),
    ("a_slot", f"{_SLOTTED}ONE = Slotted()\n\n\ndef get():\n    if not hasattr(ONE, 'known'):\n        ONE.known = compute()\n    return ONE.known\n"),
    ("a_list_in_a_slot", f"{_SLOTTED}ONE = Slotted()\nONE.known = []\n\n\ndef get():\n    if not ONE.known:\n        ONE.known.append(compute())\n    return ONE.known[0]\n"),
    ("the_namespace", "def get():\n    if 'known' not in globals():\n        globals()['known'] = compute()\n    return globals()['known']\n"),
    ("a_class_that_is_given", "class Kept:\n    known = None\n\n\ndef fill(one):\n    one.known = compute()\n\n\ndef get():\n    if Kept.known is None:\n        fill(Kept)\n    return Kept.known\n"),
    ("a_module_of_others", "import colorsys\n\n\ndef get():\n    if not hasattr(colorsys, 'known'):\n        colorsys.known = compute()\n    return colorsys.known\n"),
    ("a_class_of_others", "import fractions\n\n\ndef get():\n    if not hasattr(fractions.Fraction, 'known'):\n        fractions.Fraction.known = compute()\n    return fractions.Fraction.known\n"),
    ("a_list_of_others", "import sys\n\n\ndef get():\n    if not str(sys.path[-1]).startswith('known'):\n        sys.path.append(f'known{compute()}')\n    return sys.path[-1]\n"),
    ("the_environment", "import os\n\n\ndef get():\n    if 'STALENESS_LEFT' not in os.environ:\n        os.environ['STALENESS_LEFT'] = str(compute())\n    return os.environ['STALENESS_LEFT']\n"),
    ("the_table_of_modules", "import sys\n\n\ndef get():\n    if 'known' not in sys.modules:\n        sys.modules['known'] = compute()\n    return sys.modules['known']\n"),
    ("a_thread_s_own", "import threading\n\nLOCAL = threading.local()\n\n\ndef get():\n    if not hasattr(LOCAL, 'known'):\n        LOCAL.known = compute()\n    return LOCAL.known\n"),
    ("a_collection_of_others", "import collections\n\nKNOWN = collections.UserDict()\n\n\ndef get():\n    if 1 not in KNOWN:\n        KNOWN[1] = compute()\n    return KNOWN[1]\n"),
    ("a_weak_set", "import weakref\n\n\nclass Kept:\n    pass\n\n\nKNOWN = weakref.WeakSet()\nHELD = []\n\n\ndef get():\n    if not HELD:\n        HELD.append(Kept())\n        HELD[0].known = compute()\n        KNOWN.add(HELD[0])\n    return [one.known for one in KNOWN][0]\n"),
    ("an_object_that_is_kept_later", "class Kept:\n    def __init__(self):\n        self.known = compute()\n\n\nKNOWN = []\n\n\ndef get():\n    if not KNOWN:\n        one = Kept()\n        KNOWN.append(one)\n    return KNOWN[0].known\n"),
    ("an_object_deep_within_others", "class Kept:\n    pass\n\n\nKNOWN = {}\n\n\ndef make():\n    one = Kept()\n    one.all = [[Kept()]]\n    one.all[0][0].known = compute()\n    return one\n\n\ndef get():\n    if not KNOWN:\n        KNOWN['one'] = make()\n    return KNOWN['one'].all[0][0].known\n"),
    ("a_counter", "class Kept:\n    count = 0\n\n\ndef get():\n    if not Kept.count:\n        Kept.count += compute()\n    return Kept.count\n"),
    ("a_list_in_a_named_tuple", "import collections\n\nPair = collections.namedtuple('Pair', 'first')\nONE = Pair([])\n\n\ndef get():\n    if not ONE.first:\n        ONE.first.append(compute())\n    return ONE.first[0]\n"),
    ("a_list_in_a_tuple_by_a_property", "import collections\n\n\nclass Pair(collections.namedtuple('Pair', 'first')):\n    @property\n    def inner(self):\n        return self[0]\n\n\nONE = Pair([])\n\n\ndef get():\n    if not ONE.inner:\n        ONE.inner.append(compute())\n    return ONE.inner[0]\n"),
    ("a_new_named_tuple", "import typing\n\n\nclass Pair(typing.NamedTuple):\n    first: list\n\n\nKNOWN = []\n\n\ndef make():\n    return Pair([compute()])\n\n\ndef get():\n    if not KNOWN:\n        KNOWN.append(make())\n    return KNOWN[0].first[0]\n"),
    ("an_object_by_a_method_of_a_class_above", "class Above:\n    def fill(self):\n        self.known = compute()\n\n\nclass Kept(Above):\n    known = None\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n"),
    ("an_object_by_a_method_of_a_class_under_another_name", 'class Other:\n    def fill(self):\n        self.known = compute()\n\n\nSame = Other\n\n\nclass Kept:\n    known = None\n    fill = Same.fill\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n'),
    ("an_object_by_a_method_of_a_class_below_another", 'class Other:\n    def fill(self):\n        self.known = compute()\n\n\nclass Below(Other):\n    pass\n\n\nclass Kept:\n    known = None\n    fill = Below.fill\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n'),
    ("an_object_by_a_method_of_a_class_below_a_generic_one", "import typing\n\nT = typing.TypeVar('T')\n\n\nclass Other(typing.Generic[T]):\n    def fill(self):\n        self.known = compute()\n\n\nclass Below(Other[int]):\n    pass\n\n\nclass Kept:\n    known = None\n    fill = Below.fill\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n"),
    ("an_object_by_a_method_of_a_class_below_a_made_one", 'def below(base):\n    return base\n\n\nclass Other:\n    def fill(self):\n        self.known = compute()\n\n\nclass Below(below(Other)):\n    pass\n\n\nclass Kept:\n    known = None\n    fill = Below.fill\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n'),
    ("an_object_by_its_namespace", "class Kept:\n    known = None\n\n    def fill(self, name):\n        self.__dict__[name] = compute()\n\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill('known')\n    return ONE.known\n"),
    ("an_object_by_a_name_that_is_given", "class Kept:\n    known = None\n\n    def fill(self, name):\n        setattr(self, name, compute())\n\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill('known')\n    return ONE.known\n"),
    ("an_object_by_the_way_of_all", "class Kept:\n    known = None\n\n    def fill(self, name):\n        object.__setattr__(self, name, compute())\n\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill('known')\n    return ONE.known\n"),
    ("an_object_of_a_class_below_by_its_namespace", "class Above:\n    known = None\n\n    def fill(self, name):\n        vars(self)[name] = compute()\n\n\nclass Kept(Above):\n    pass\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill('known')\n    return ONE.known\n"),
    ("an_object_that_is_new_by_its_namespace", "class Kept:\n    pass\n\n\nKNOWN = []\n\n\ndef make(name):\n    one = Kept()\n    one.__dict__[name] = compute()\n    return one\n\n\ndef get():\n    if not KNOWN:\n        KNOWN.append(make('known'))\n    return KNOWN[0].known\n"),
    ("an_object_that_is_new_and_given_by_its_namespace", "class Kept:\n    pass\n\n\nKNOWN = []\n\n\ndef make(name):\n    one = object.__new__(Kept)\n    one.__dict__.update({name: compute()})\n    return one\n\n\ndef keep(one):\n    KNOWN.append(one)\n\n\ndef get():\n    if not KNOWN:\n        one = make('known')\n        keep(one)\n    return KNOWN[0].known\n"),
    ("an_object_by_a_method_of_another_class", "class Other:\n    def fill(self):\n        self.known = compute()\n\n\nclass Kept:\n    known = None\n    fill = Other.fill\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        ONE.fill()\n    return ONE.known\n"),
    ("an_object_that_a_method_is_called_with", "class Other:\n    def fill(self):\n        self.known = compute()\n\n\nclass Kept:\n    known = None\n\n\nONE = Kept()\n\n\ndef get():\n    if ONE.known is None:\n        Other.fill(ONE)\n    return ONE.known\n"),
    ("a_list_that_is_given_by_other_names", "class Kept:\n    def __init__(self):\n        self.items = []\n\n\nONE = Kept()\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    items = ONE.items\n    for again in (items,):\n        found = again\n        if not found:\n            fill(found)\n    return ONE.items[0]\n"),
    ("a_dictionary_that_is_given", "KNOWN = {}\n\n\ndef fill(where):\n    where['known'] = compute()\n\n\ndef get():\n    if not KNOWN:\n        fill(KNOWN)\n    return KNOWN['known']\n"),
    ("an_object_with_items_that_is_given", "class Kept:\n    def __init__(self):\n        self.all = {}\n\n    def __setitem__(self, name, value):\n        self.all[name] = value\n\n\nONE = Kept()\n\n\ndef fill(where):\n    where['known'] = compute()\n\n\ndef get():\n    if not ONE.all:\n        fill(ONE)\n    return ONE.all['known']\n"),
    ("a_list_by_a_class_below", "KNOWN = []\n\n\nclass Large:\n    def __init__(self, value):\n        KNOWN.append(value)\n\n\nclass Small(Large):\n    def __init__(self, value):\n        super().__init__(value)\n\n\ndef get():\n    if not KNOWN:\n        Small(compute())\n    return KNOWN[0]\n"),
    ("lists_that_are_values", "KNOWN = {'a': []}\n\n\ndef get():\n    for known in KNOWN.values():\n        if not known:\n            known.append(compute())\n    return KNOWN['a'][0]\n"),
    ("lists_that_are_counted_and_given", "KNOWN = [[]]\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    for number, known in enumerate(list(KNOWN)):\n        if not known:\n            fill(known)\n    return KNOWN[0][0]\n"),
    ("lists_of_a_row_made_there", "FIRST, SECOND = [], []\n\n\ndef get():\n    for known in (FIRST, SECOND):\n        if not known:\n            known.append(compute())\n    return SECOND[0]\n"),
    ("a_list_under_another_name", "FIRST, SECOND = [], []\n\n\ndef get():\n    one, two = FIRST, SECOND\n    if not two:\n        two.append(compute())\n    return SECOND[0]\n"),
    ("a_list_within_a_new_one", "FIRST = []\n\n\ndef get():\n    all = [FIRST]\n    if not all[0]:\n        all[0].append(compute())\n    return FIRST[0]\n"),
    ("a_list_of_the_rest", "KNOWN = [0, []]\n\n\ndef get():\n    _, *rest = KNOWN\n    if not rest[0]:\n        rest[0].append(compute())\n    return KNOWN[1][0]\n"),
    ("a_list_that_a_method_gives", "class Store:\n    def __init__(self):\n        self.all = {'a': []}\n\n    def get(self, name):\n        return self.all[name]\n\n\nSTORE = Store()\n\n\ndef get():\n    if not STORE.get('a'):\n        STORE.get('a').append(compute())\n    return STORE.all['a'][0]\n"),
    ("an_object_s_list_by_a_property", "class Store:\n    def __init__(self):\n        self.all = []\n\n    @property\n    def inner(self):\n        return self.all\n\n\nSTORE = Store()\n\n\ndef get():\n    if not STORE.inner:\n        STORE.inner.append(compute())\n    return STORE.all[0]\n"),
    ("an_object_s_dictionary_by_a_setter", "class Store:\n    def __init__(self):\n        self.all = {}\n\n    @property\n    def one(self):\n        return self.all.get('one')\n\n    @one.setter\n    def one(self, value):\n        self.all['one'] = value\n\n\nSTORE = Store()\n\n\ndef get():\n    if STORE.one is None:\n        STORE.one = compute()\n    return STORE.all['one']\n"),
    ("an_object_s_dictionary_by_its_items", "class Store:\n    def __init__(self):\n        self.all = {}\n\n    def __setitem__(self, name, value):\n        self.all[name] = value\n\n\nSTORE = Store()\n\n\ndef get():\n    if not STORE.all:\n        STORE['one'] = compute()\n    return STORE.all['one']\n"),
    ("an_object_s_dictionary_by_a_method_of_a_library", "import collections.abc\n\n\nclass Store(collections.abc.MutableMapping):\n    def __init__(self):\n        self.all = {}\n\n    def __getitem__(self, name):\n        return self.all[name]\n\n    def __setitem__(self, name, value):\n        self.all[name] = value\n\n    def __delitem__(self, name):\n        del self.all[name]\n\n    def __iter__(self):\n        return iter(self.all)\n\n    def __len__(self):\n        return len(self.all)\n\n\nSTORE = Store()\n\n\ndef get():\n    if not STORE.all:\n        STORE.setdefault('one', compute())\n    return STORE.all['one']\n"),
    ("an_object_s_dictionary_by_its_items_within_a_function", "class Store:\n    def __init__(self):\n        self.all = {}\n\n    def __setitem__(self, name, value):\n        self.all[name] = value\n\n\nSTORE = Store()\n\n\ndef get():\n    def fill(value):\n        STORE['one'] = value\n\n    if not STORE.all:\n        STORE['two'] = 2\n        fill(compute())\n    return STORE.all['one']\n"),
    ("an_object_s_dictionary_by_its_items_once_more", "class Store:\n    def __init__(self):\n        self.all = {}\n\n    def __setitem__(self, name, value):\n        self.all[name] = value\n\n\nSTORE = Store()\n\n\ndef other():\n    STORE['two'] = 2\n\n\ndef get():\n    if not STORE.all:\n        for number in range(20):\n            other()\n        STORE['one'] = compute()\n    return STORE.all['one']\n"),
    ("an_object_s_dictionary_by_its_attributes", "class Store:\n    def __init__(self):\n        object.__setattr__(self, 'all', {})\n\n    def __setattr__(self, name, value):\n        self.all[name] = value\n\n\nSTORE = Store()\n\n\ndef get():\n    if not STORE.all:\n        STORE.one = compute()\n    return STORE.all['one']\n"),
    ("a_class_that_registers_itself", "KNOWN = {}\n\n\nclass Above:\n    def __init_subclass__(cls):\n        KNOWN[cls.__name__] = cls\n\n\ndef make():\n    class Below(Above):\n        known = compute()\n\n\ndef get():\n    if not KNOWN:\n        make()\n    return KNOWN['Below'].known\n"),
    ("a_class_that_its_metaclass_registers", "KNOWN = {}\n\n\nclass Meta(type):\n    def __new__(cls, name, bases, names):\n        made = super().__new__(cls, name, bases, names)\n        if bases:\n            KNOWN[name] = [made]\n        return made\n\n\nclass Above(metaclass=Meta):\n    pass\n\n\ndef make(value):\n    class Below(Above):\n        known = [value]\n\n\ndef get():\n    if not KNOWN:\n        make(compute())\n    return KNOWN['Below'][0].known[0]\n"),
    ("a_class_s_own_register", "class Above:\n    register = []\n\n    def __init_subclass__(cls):\n        cls.register.append(cls)\n\n\ndef make():\n    class Below(Above):\n        known = compute()\n\n\ndef get():\n    if not Above.register:\n        make()\n    return Above.register[0].known\n"),
    ("a_class_that_is_made_by_type", "KNOWN = {}\n\n\nclass Above:\n    def __init_subclass__(cls):\n        KNOWN[cls.__name__] = cls\n\n\ndef get():\n    if not KNOWN:\n        type('Below', (Above,), {'known': compute()})\n    return KNOWN['Below'].known\n"),
    ("a_part_of_a_class_that_registers_it", "KNOWN = {}\n\n\nclass Part:\n    def __init__(self, value):\n        self.value = value\n\n    def __set_name__(self, owner, name):\n        KNOWN[name] = self\n\n\ndef get():\n    if not KNOWN:\n        class Whole:\n            known = Part(compute())\n    return KNOWN['known'].value\n"),
    ("a_class_that_is_decorated", "KNOWN = []\n\n\ndef remember(one):\n    KNOWN.append(one)\n    return one\n\n\ndef get():\n    if not KNOWN:\n        @remember\n        class Whole:\n            known = compute()\n    return KNOWN[0].known\n"),
    ("a_function_that_is_decorated", "KNOWN = []\n\n\ndef remember(number):\n    def really(one):\n        KNOWN.append(one)\n        return one\n\n    return really\n\n\ndef get():\n    if not KNOWN:\n        value = compute()\n\n        @remember(1)\n        def known():\n            return value\n    return KNOWN[0]()\n"),
    ("a_call_in_the_body_of_a_class", "KNOWN = []\n\n\ndef remember(one):\n    KNOWN.append(one)\n    return one\n\n\ndef get():\n    if not KNOWN:\n        class Whole:\n            known = remember(compute())\n    return KNOWN[0]\n"),
    ("a_copy_of_all", "import copy\n\nKNOWN = [[]]\nALSO = []\n\n\ndef get():\n    if not ALSO:\n        ALSO.append(copy.copy(KNOWN)[0])\n        ALSO[0].append(compute())\n    return KNOWN[0][0]\n"),
    ("lists_by_a_comprehension", "KNOWN = [[], []]\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    if not KNOWN[0]:\n        [fill(known) for known in KNOWN]\n    return KNOWN[0][0]\n"),
    ("a_list_of_a_comprehension", "KNOWN = [[], []]\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    if not KNOWN[0]:\n        fill([known for known in KNOWN if not known][0])\n    return KNOWN[0][0]\n"),
    ("a_list_in_a_row_that_is_given", "KNOWN = [[], []]\n\n\ndef fill(where):\n    where[0].append(compute())\n\n\ndef get():\n    if not KNOWN[0]:\n        fill((KNOWN[0], 1))\n    return KNOWN[0][0]\n"),
    ("a_local_function_s_cache", "import functools\n\n\ndef make():\n    @functools.lru_cache\n    def known():\n        return compute()\n\n    return known\n\n\nget = make()\n"),
):
    named(
        f"function_whose_result_is_left_in_{_name}",
        given_twice(f"{_WITH_COMPUTE}{_module}", app__computing="def compute():\n    return 1\n"),
        number_in("app/computing.py", "return "),
    )
named(
    "function_whose_result_is_left_in_a_variable_of_the_context",
    files(
        app__computing="def compute():\n    return 1\n",
        app__kept=f"import contextvars\n{_WITH_COMPUTE}KNOWN = contextvars.ContextVar('known', default=None)\n\n\ndef get():\n    if KNOWN.get() is None:\n        KNOWN.set(compute())\n    return KNOWN.get()\n",
        tests__test_first="from app.kept import get\n\n\ndef test_value(record_property):\n    record_property('value', get())\n",
        tests__test_second="from app.kept import get\n\n\ndef test_value(record_property):\n    record_property('value', get())\n",
    ),
    number_in("app/computing.py", "return "),
)
named(
    "function_whose_result_is_left_in_a_module_that_is_loaded",
    given_twice(f"{_WITH_COMPUTE}def get():\n    from app import later\n\n    if not later.KNOWN:\n        later.KNOWN.append(compute())\n    return later.KNOWN[0]\n", app__computing="def compute():\n    return 1\n", app__later="KNOWN = []\n"),
    number_in("app/computing.py", "return "),
)
named(
    "function_that_fills_a_fixture_s_object",
    files(
        app__computing="def compute():\n    return 1\n",
        tests__kept__conftest="import pytest\n\n\n@pytest.fixture(scope='session')\ndef known():\n    return []\n",
        **{
            f"tests__kept__test_{_file}": "from app.computing import compute\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef test_value(known, record_property):\n    if not known:\n        fill(known)\n    record_property('value', known[0])\n"
            for _file in ("first", "second")
        },
    ),
    number_in("app/computing.py", "return "),
)
named(
    "function_that_is_executed_while_two_modules_are_loaded",
    files(
        app__computing="def compute():\n    return 1\n",
        app__one="from app.computing import compute\n\nVALUE = compute()\n",
        app__two="from app.computing import compute\n\nVALUE = compute()\n",
        tests__test_first="from app import one\n\n\ndef test_value(record_property):\n    record_property('value', one.VALUE)\n",
        tests__test_second="from app import two\n\n\ndef test_value(record_property):\n    record_property('value', two.VALUE)\n",
    ),
    number_in("app/computing.py", "return "),
)
named(
    "function_that_is_executed_behind_an_import_that_fails",
    files(
        app__computing="def compute():\n    return 1\n",
        app__failing="from app.computing import compute\n\nVALUE = compute()\nraise ImportError\n",
        app__one="try:\n    from app import failing\nexcept ImportError:\n    pass\nfrom app.computing import compute\n\nVALUE = compute()\n",
        tests__test_first="from app import one\n\n\ndef test_value(record_property):\n    record_property('value', one.VALUE)\n",
    ),
    number_in("app/computing.py", "return "),
)
named(
    "cached_function_itself",
    given_twice("@functools.cache\ndef get():\n    return 1\n"),
    number_in("app/kept.py", "return "),
)
named(
    "data_file_kept_for_all_by_a_session_fixture",
    files(
        tests__kept__conftest=f"{START}import pytest\n\n\nclass Lazy:\n    known = None\n\n    def get(self):\n        if self.known is None:\n            self.known = Path('data/own.txt').read_text()\n        return self.known\n\n\n@pytest.fixture(scope='session')\ndef lazy():\n    return Lazy()\n",
        tests__kept__test_first="def test_value(lazy, record_property):\n    record_property('value', lazy.get())\n",
        tests__kept__test_second="def test_value(lazy, record_property):\n    record_property('value', lazy.get())\n",
        data__own_DOT_txt="1\n",
    ),
    _write_other_number,
)

# ---- hooks, and paths relative to an open folder


def _hook(head: str) -> Prepare:
    return files(
        tests__hooked__conftest=f"import pytest\nfrom pathlib import Path\n\n\n{head}\n    session.config.own = Path('data/own.txt').read_text()\n",
        tests__hooked__test_one="def test_value(pytestconfig, record_property):\n    record_property('value', pytestconfig.own)\n",
        data__own_DOT_txt="1\n",
    )


named("data_file_of_modifyitems", _hook("def pytest_collection_modifyitems(session):"), _write_other_number)
named("data_file_of_runtestloop", _hook("@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session):"), _write_other_number)

for _name, _expression in (
    ("opened", "os.read(os.open('own.txt', os.O_RDONLY, dir_fd=folder), 9).decode()"),
    ("asked_for", "os.stat('own.txt', dir_fd=folder).st_size"),
):
    named(
        f"data_file_{_name}_in_an_open_folder",
        files(
            tests__test_one=f"import os\n\n\ndef test_value(record_property):\n    folder = os.open('data', os.O_RDONLY)\n    record_property('value', {_expression})\n    os.close(folder)\n",
            data__own_DOT_txt="1\n",
        ),
        _write_other_number,
    )
named(
    "open_folder_listed",
    files(tests__test_one="import os\n\n\ndef test_value(record_property):\n    folder = os.open('data', os.O_RDONLY)\n    record_property('value', len(os.listdir(folder)))\n    os.close(folder)\n"),
    lambda scene, rng: scene.write(f"data/new_{rng.randrange(100, 1000)}.txt", "\n"),
)

# ---- modules reached by names that are not in the text

for _name, _way in (
    ("by_another_name", "from importlib import import_module as load\n\n\ndef reach(name):\n    return load(name)\n"),
    ("by_a_function_handed_on", "import importlib\n\nload = importlib.import_module\n\n\ndef reach(name):\n    return load(name)\n"),
    ("from_the_table_of_modules", "from sys import modules\n\n\ndef reach(name):\n    return modules[name]\n"),
    ("as_an_attribute", "import app as package\n\n\ndef reach(name):\n    return getattr(package, name.rpartition('.')[2])\n"),
):
    named(
        f"module_reached_{_name}",
        files(
            app__reached="VALUE = 1\n",
            app__reaching=_way,
            tests__test_first="import app.reached\n\n\ndef test_first():\n    assert app.reached\n",
            tests__test_second="from app.reaching import reach\n\n\ndef test_value(record_property):\n    record_property('value', reach('app.' + 'reached').VALUE)\n",
        ),
        number_in("app/reached.py", "VALUE = "),
    )

_REACH = "import importlib\n\n\ndef reach(name):\n    return importlib.import_module(name)\n"
_REACHED = {
    "app__reached": "VALUE = 1\n",
    "app__reaching": _REACH,
    "tests__test_first": "import app.reached\n\n\ndef test_first():\n    assert app.reached\n",
}
_REACHES = "from app.reaching import reach\n\n\n"
_REACHED_BY = "'app.' + 'reached'"
for _name, _more in (
    ("while_another_is_loaded", {"app__using": f"{_REACHES}MODULE = reach({_REACHED_BY})\n", "tests__test_second": "from app.using import MODULE\n\n\ndef test_value(record_property):\n    record_property('value', MODULE.VALUE)\n"}),
    ("by_a_fixture", {"tests__test_second": f"import pytest\n\n{_REACHES}@pytest.fixture(scope='module')\ndef module():\n    return reach({_REACHED_BY})\n\n\ndef test_value(module, record_property):\n    record_property('value', module.VALUE)\n"}),
    ("by_a_hook", {"tests__reaching__conftest": f"{_REACHES}def pytest_configure(config):\n    config.reached = reach({_REACHED_BY})\n\n\ndef pytest_collection_modifyitems(config):\n    config.reached = reach({_REACHED_BY})\n", "tests__reaching__test_second": "def test_value(pytestconfig, record_property):\n    record_property('value', pytestconfig.reached.VALUE)\n"}),
    ("and_kept", {"app__using": f"import functools\n\n{_REACHES}@functools.cache\ndef known():\n    return reach({_REACHED_BY})\n", "tests__test_second": "from app.using import known\n\n\ndef test_before():\n    known()\n\n\ndef test_value(record_property):\n    record_property('value', known().VALUE)\n"}),
    ("by_a_lambda_that_is_kept", {"app__using": f"import importlib\n\n\ndef make():\n    return lambda: importlib.import_module({_REACHED_BY})\n\n\nREACH = make()\n", "tests__test_second": "from app.using import REACH\n\n\ndef test_value(record_property):\n    record_property('value', REACH().VALUE)\n"}),
    ("by_a_function_that_is_handed_out", {"app__using": "import importlib\n\n\ndef give():\n    return importlib.import_module\n", "tests__test_second": f"from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give()({_REACHED_BY}).VALUE)\n"}),
    ("in_the_table_that_is_handed_out", {"app__using": "import sys\n\n\ndef give():\n    return sys.modules\n", "tests__test_second": f"from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give()[{_REACHED_BY}].VALUE)\n"}),
    ("in_the_table", {"app__using": f"import sys\n\n\ndef give():\n    return sys.modules.get({_REACHED_BY})\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_a_builtin", {"app__using": "def give():\n    return getattr(__import__('app', None, None, ['rea' + 'ched']), 'rea' + 'ched')\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_a_builtin_while_another_is_loaded", {"app__using": f"import sys\n\nMODULE = __import__({_REACHED_BY}, None, None, ['*'])\n", "tests__test_second": "from app import using\n\n\ndef test_value(record_property):\n    record_property('value', using.MODULE.VALUE)\n"}),
    ("from_its_package", {"app__using": "import importlib\n\n\ndef give():\n    return importlib.import_module('.' + 'reached', 'app')\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("as_what_a_package_has", {"app__using": "import importlib\n\n\ndef give():\n    package = importlib.import_module('ap' + 'p')\n    return getattr(package, 'rea' + 'ched')\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_a_function_of_a_known_name", {"app__using": f"{_REACHES}def import_string(name):\n    return reach(name)\n\n\ndef give():\n    return import_string({_REACHED_BY})\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_a_text", {"tests__test_second": "def test_value(record_property):\n    space = {}\n    exec('from app import ' + 'reached as found', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_under_another_name", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'package': app}\n    exec('found = package.' + 'reached', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_that_asks", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'app': app}\n    exec('found = get' + 'attr(app, \"rea\" + str(\"ched\"))', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_that_computes", {"tests__test_second": f"def test_value(record_property):\n    space = {{}}\n    exec('import sys; found = sys.' + \"modules[{_REACHED_BY}]\", space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_within_a_package", {"tests__test_second": "def test_value(record_property):\n    space = {'__package__': 'app'}\n    exec('from . import ' + 'reached as found', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_while_another_is_loaded", {"app__using": "exec('import app.' + 'reached as FOUND')\n", "tests__test_second": "from app import using\n\n\ndef test_value(record_property):\n    record_property('value', using.FOUND.VALUE)\n"}),
    ("by_a_text_that_is_kept", {"app__using": "import functools\n\n\n@functools.cache\ndef known():\n    space = {}\n    exec('import app.' + 'reached as found', space)\n    return space['found']\n", "tests__test_second": "from app.using import known\n\n\ndef test_before():\n    known()\n\n\ndef test_value(record_property):\n    record_property('value', known().VALUE)\n"}),
    ("by_a_builtin_with_a_level", {"app__using": "def give():\n    return __import__('rea' + 'ched', globals(), None, (), 1)\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_what_stands_for_a_builtin", {"app__using": f"import importlib\n\n\ndef give():\n    return importlib.__import__({_REACHED_BY}, None, None, ['*'])\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("if_it_is_there", {"tests__test_second": f"import pytest\n\n\ndef test_value(record_property):\n    record_property('value', pytest.importorskip({_REACHED_BY}).VALUE)\n"}),
    ("by_a_function_of_that_name", {"app__using": f"import pytest\n\nimport_module = pytest.importorskip\n\n\ndef give():\n    return import_module({_REACHED_BY})\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("from_a_package_that_was_loaded_before", {"app__using": "import importlib\n\nPACKAGE = importlib.import_module('ap' + 'p')\n\n\ndef give():\n    return getattr(PACKAGE, 'rea' + 'ched')\n", "tests__test_before": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_what_a_package_lacks", {"app__INIT": "import importlib\n\n\ndef __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError(name)\n    return importlib.import_module('.' + name, __name__)\n", "tests__test_first": "\n", "tests__test_second": "import operator\n\nimport app\n\nget = operator.attrgetter('rea' + 'ched')\n\n\ndef test_before():\n    get(app)\n\n\ndef test_value(record_property):\n    record_property('value', get(app).VALUE)\n"}),
    ("by_a_text_and_what_it_imports", {"tests__test_before": "def test_value(record_property):\n    space = {}\n    exec('import ' + 'app', space)\n    record_property('value', getattr(space['app'], 'rea' + 'ched').VALUE)\n"}),
    ("by_a_text_that_evaluates", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'app': app}\n    exec('found = ev' + 'al(\"app.rea\" + str(\"ched\"))', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_that_looks", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'app': app}\n    exec('found = app.__getattri' + 'bute__(\"rea\" + str(\"ched\"))', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("for_parameters", {"tests__test_second": f"import importlib\n\n\ndef pytest_generate_tests(metafunc):\n    module = importlib.import_module({_REACHED_BY})\n    metafunc.parametrize('value', [module.VALUE], ids=['one'])\n\n\ndef test_value(value, record_property):\n    record_property('value', value)\n"}),
    ("by_a_function_of_a_text", {"tests__test_second": "SPACE = {}\n\n\ndef give():\n    if not SPACE:\n        exec('def give():\\n    import app.' + 'reached as found\\n    return found', SPACE)\n    return SPACE['give']\n\n\ndef test_before():\n    give()\n\n\ndef test_value(record_property):\n    record_property('value', give()().VALUE)\n"}),
    ("and_left_in_a_dictionary", {"app__using": f"{_REACHES}KNOWN = {{}}\n\n\ndef known():\n    if not KNOWN:\n        KNOWN['one'] = reach({_REACHED_BY})\n    return KNOWN['one']\n", "tests__test_second": "from app.using import known\n\n\ndef test_before():\n    known()\n\n\ndef test_value(record_property):\n    record_property('value', known().VALUE)\n"}),
    ("in_a_thread", {"app__using": f"import threading\n\n{_REACHES}def give():\n    found = []\n    thread = threading.Thread(target=lambda: found.append(reach({_REACHED_BY})))\n    thread.start()\n    thread.join()\n    return found[0]\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_a_class", {"app__using": "import importlib\n\n\nclass Lazy:\n    def __init__(self, name):\n        self.name = name\n\n    def __getattr__(self, name):\n        self.__dict__.update(vars(importlib.import_module(self.name)))\n        return self.__dict__[name]\n\n\nLAZY = Lazy('app.' + 'reached')\n", "tests__test_second": "from app.using import LAZY\n\n\ndef test_before():\n    assert LAZY.VALUE\n\n\ndef test_value(record_property):\n    record_property('value', LAZY.VALUE)\n"}),
    ("by_what_a_mock_stands_for", {"tests__test_second": f"from unittest import mock\nimport importlib\n\n{_REACHES}def test_value(record_property):\n    real = getattr(importlib, 'import_' + 'module')\n    with mock.patch.object(importlib, 'import_' + 'module', wraps=real):\n        record_property('value', reach({_REACHED_BY}).VALUE)\n"}),
    ("by_a_mock_of_importlib", {"tests__test_second": f"from unittest import mock\nimport importlib\n\n{_REACHES}def test_value(record_property):\n    with mock.patch('app.reaching.importlib', wraps=importlib):\n        record_property('value', reach({_REACHED_BY}).VALUE)\n"}),
    ("by_a_mock_of_a_builtin", {"app__using": f"def give():\n    return __import__({_REACHED_BY}, None, None, ['*'])\n", "tests__test_second": "import builtins\nfrom unittest import mock\n\nfrom app.using import give\n\n\ndef test_value(record_property):\n    real = getattr(builtins, '__imp' + 'ort__')\n    with mock.patch('builtins.__imp' + 'ort__', side_effect=real):\n        record_property('value', give().VALUE)\n"}),
    ("from_the_outermost_package", {"app__other": "", "app__using": "def give(name):\n    return getattr(__import__('app.' + 'other'), name)\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give('rea' + 'ched').VALUE)\n"}),
    ("from_a_lazy_package_that_a_fixture_gives", {"app__INIT": "import importlib\n\n\ndef __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError(name)\n    return importlib.import_module(f'{__name__}.{name}')\n", "tests__lazy__conftest": "import pytest\n\n\n@pytest.fixture\ndef package():\n    import app\n\n    return app\n", "tests__lazy__test_one": "def test_before(package):\n    assert package.reached\n", "tests__lazy__test_two": "def test_value(package, record_property):\n    record_property('value', package.reached.VALUE)\n"}),
    ("by_an_object_that_a_test_file_fills", {"app__using": "class Lazy:\n    def __init__(self, name):\n        self.name = name\n        self.module = None\n\n    def _load(self):\n        self.module = find(self.name)\n\n    def __getattr__(self, name):\n        if self.module is None:\n            self._load()\n        return getattr(self.module, name)\n\n\nLAZY = Lazy('app.' + 'reached')\n\n\ndef find(name):\n    import sys\n\n    return sys.modules[name]\n", "tests__test_before": "import app.reached\nfrom app.using import LAZY\n\nNAMES = [LAZY.VALUE]\n\n\ndef test_before():\n    assert NAMES\n", "tests__test_second": "from app.using import LAZY\n\n\ndef test_value(record_property):\n    record_property('value', LAZY.VALUE)\n"}),
    ("by_a_text_that_was_executed_before", {"app__using": "SPACE = {}\nexec('def get(package):\\n    return package.rea' + 'ched.VALUE', SPACE)\nget = SPACE['get']\n", "tests__test_before": "import app\nfrom app.using import get\n\n\ndef test_value(record_property):\n    record_property('value', get(app))\n"}),
    ("by_a_text_with_a_pattern", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'package': app}\n    exec('match package:\\n    case object(rea' + 'ched=found):\\n        pass', space)\n    record_property('value', space['found'].VALUE)\n"}),
    ("by_a_text_with_a_format", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    space = {'package': app}\n    exec('found = \"{0.rea' + 'ched.VALUE}\".format(package)', space)\n    record_property('value', space['found'])\n"}),
    ("by_another_importlib", {"app__compat": "import pkgutil\nimport types\n\nimportlib = types.SimpleNamespace(**{'import_module': getattr(pkgutil, 'resolve_' + 'name')})\n", "app__using": f"from .compat import importlib\n\n\ndef give():\n    return importlib.import_module({_REACHED_BY})\n", "tests__test_second": "from app.using import give\n\n\ndef test_value(record_property):\n    record_property('value', give().VALUE)\n"}),
    ("by_an_expression", {"tests__test_second": "import app\n\n\ndef test_value(record_property):\n    record_property('value', eval('app.' + 'reached', {'app': app}).VALUE)\n"}),
):
    named(f"module_reached_{_name}", files(**{**_REACHED, **_more}), number_in("app/reached.py", "VALUE = "))

for _name, _code in (
    ("from_a_file", "    spec = importlib.util.spec_from_file_location('other', 'app/reached.py')\n    module = importlib.util.module_from_spec(spec)\n    spec.loader.exec_module(module)\n    value = module.VALUE\n"),
    ("and_forgotten", "    import app.reached\n    value = app.reached.VALUE\n    del sys.modules['app.reached']\n"),
):
    named(
        f"module_loaded_{_name}",
        files(app__reached="VALUE = 1\n", tests__test_one=f"import importlib.util\nimport sys\n\n\ndef test_value(record_property):\n{_code}    record_property('value', value)\n"),
        number_in("app/reached.py", "VALUE = "),
    )

for _name, _ask in (("asked_for", "importlib.import_module('to_' + 'come')"), ("asked_for_by_a_text", "exec('import to_' + 'come')"), ("asked_for_by_a_builtin", "__import__('to_' + 'come')")):
    named(
        f"module_appears_that_was_{_name}",
        files(tests__test_one=f"import importlib\n\n\ndef test_value(record_property):\n    try:\n        {_ask}\n    except ImportError:\n        record_property('value', 1)\n"),
        lambda scene, rng: scene.write("to_come.py", "\n"),
    )
named(
    "module_of_computed_name_appears",
    files(tests__test_one="import importlib.util\n\n\ndef test_value(record_property):\n    record_property('value', importlib.util.find_spec('to_' + 'come') is None)\n"),
    lambda scene, rng: scene.write("to_come.py", "\n"),
)
