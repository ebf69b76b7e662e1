"""Edits of what is left while a test still runs: something else is done to it then, or somebody only comes upon it."""

from __future__ import annotations

from staleness.edits.kept import given_twice
from staleness.edits.single import named, number_in

_WITH_COMPUTE = "from app.computing import compute\n\n\n"
_COMPUTING = "def compute():\n    return 1\n"

for _name, _module in (
    ("filled_behind_the_return", "KNOWN = {}\n\n\ndef start():\n    KNOWN['one'] = []\n\n\ndef get():\n    if not KNOWN:\n        start()\n        KNOWN['one'].append(compute())\n    return KNOWN['one'][0]\n"),
    ("filled_by_another", "KNOWN = {}\n\n\ndef start():\n    KNOWN['one'] = []\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    if not KNOWN:\n        start()\n        fill(KNOWN['one'])\n    return KNOWN['one'][0]\n"),
    ("put_elsewhere", "STACK, KNOWN = [], []\n\n\nclass Kept:\n    def __init__(self):\n        self.value = compute()\n\n\ndef push(one):\n    STACK.append(one)\n\n\ndef pop():\n    KNOWN.append(STACK.pop())\n\n\ndef get():\n    if not KNOWN:\n        push(Kept())\n        pop()\n    return KNOWN[0].value\n"),
    ("in_a_row_put_elsewhere", "STACK, KNOWN = [], []\n\n\ndef push(one):\n    STACK.append(one)\n\n\ndef pop():\n    KNOWN.append(STACK.pop())\n\n\ndef get():\n    if not KNOWN:\n        push([compute()])\n        pop()\n    return KNOWN[0][0]\n"),
    ("replaced", "KNOWN = {}\n\n\ndef start(value):\n    KNOWN[1] = value\n\n\ndef get():\n    if not KNOWN:\n        start(0)\n        start(compute())\n    return KNOWN[1]\n"),
    ("taken_out_and_put_there_again", "KNOWN = []\n\n\nclass Kept:\n    pass\n\n\ndef push(one):\n    KNOWN.append(one)\n\n\ndef get():\n    if not KNOWN:\n        one = Kept()\n        push(one)\n        KNOWN.clear()\n        one.value = compute()\n        push(one)\n    return KNOWN[0].value\n"),
    ("counted_twice", "COUNT = 0\n\n\ndef count(number):\n    global COUNT\n    COUNT += number\n\n\ndef get():\n    if not COUNT:\n        count(1)\n        count(compute())\n    return COUNT\n"),
    ("counted_in_a_class", "class Kept:\n    count = 0\n\n\ndef count(number):\n    Kept.count += number\n\n\ndef get():\n    if not Kept.count:\n        count(1)\n        count(compute())\n    return Kept.count\n"),
    ("filled_in_a_cache", "import functools\n\n\n@functools.cache\ndef one():\n    return []\n\n\ndef fill(where):\n    where.append(compute())\n\n\ndef get():\n    if not one():\n        fill(one())\n    return one()[0]\n"),
    ("cached_by_who_was_executed_before", "import functools\n\n\n@functools.cache\ndef one():\n    return [compute()]\n\n\ndef get():\n    compute()\n    return one()[0]\n"),
    ("made_before_it_is_kept", "KNOWN, OTHERS = [], []\n\n\ndef keep(one):\n    KNOWN.append(one)\n\n\ndef other():\n    OTHERS.append(1)\n\n\ndef get():\n    if not KNOWN:\n        one = [compute()]\n        other()\n        keep(one)\n    return KNOWN[0][0]\n"),
    ("put_by_a_generator", "KNOWN, OTHERS = [], []\n\n\ndef fill():\n    yield\n    KNOWN.append(compute())\n    yield\n\n\ndef other():\n    OTHERS.append(1)\n\n\ndef get():\n    if not KNOWN:\n        filling = fill()\n        next(filling)\n        other()\n        next(filling)\n    return KNOWN[0]\n"),
    ("put_by_a_thread", "import threading\n\nKNOWN, OTHERS = [], []\n\n\ndef fill(begun, go_on):\n    begun.set()\n    go_on.wait()\n    KNOWN.append(compute())\n\n\ndef other():\n    OTHERS.append(1)\n\n\ndef get():\n    if not KNOWN:\n        begun, go_on = threading.Event(), threading.Event()\n        thread = threading.Thread(target=fill, args=(begun, go_on))\n        thread.start()\n        begun.wait()\n        other()\n        go_on.set()\n        thread.join()\n    return KNOWN[0]\n"),
):
    named(f"function_whose_result_is_left_and_{_name}", given_twice(f"{_WITH_COMPUTE}{_module}", app__computing=_COMPUTING), number_in("app/computing.py", "return "))

for _name, _module, _later in (
    # In the process, a module is loaded by the first of the tests alone.
    ("fills_it", "def get():\n    from app import later\n\n    if not later.KNOWN:\n        fill(later.KNOWN)\n    return later.KNOWN[0]\n\n\ndef fill(where):\n    where.append(compute())\n", "KNOWN = []\n"),
    ("was_called_before", "def get():\n    compute()\n    from app import later\n\n    return later.KNOWN[0]\n", "from app.computing import compute\n\nKNOWN = [compute()]\n"),
    ("gives_it_something", "VALUES = []\n\n\ndef get():\n    if not VALUES:\n        VALUES.append(compute())\n    from app import later\n\n    return later.KNOWN[0]\n", "from app.kept import VALUES\n\nKNOWN = [VALUES[0]]\n"),
    ("is_called_back", "def hand(where):\n    where.append(compute())\n\n\ndef get():\n    compute()\n    from app import later\n\n    return later.KNOWN[0]\n", "from app.kept import hand\n\nKNOWN = []\nhand(KNOWN)\n"),
    ("loads_another", "def get():\n    from app import later\n\n    if not later.another.KNOWN:\n        later.another.KNOWN.append(compute())\n    return later.another.KNOWN[0]\n", "from app import another\n"),
    ("sees_it_fail_once", "TIMES = []\n\n\ndef get():\n    try:\n        from app import later\n    except ImportError:\n        TIMES.append(compute())\n        from app import later\n    return later.KNOWN[0]\n", "from app.kept import TIMES\n\nif not TIMES:\n    raise ImportError\nKNOWN = TIMES\n"),
    ("is_in_a_thread_meanwhile", "import threading\n\nBEGUN, GO_ON = threading.Event(), threading.Event()\n\n\ndef fill():\n    BEGUN.set()\n    GO_ON.wait()\n    import sys\n\n    sys.modules['app.later'].KNOWN.append(compute())\n\n\ndef get():\n    if not GO_ON.is_set():\n        THREAD.start()\n        BEGUN.wait()\n    from app import later\n\n    return later.KNOWN[0]\n\n\nTHREAD = threading.Thread(target=fill)\n", "from app import kept\n\nKNOWN = []\nkept.GO_ON.set()\nkept.THREAD.join()\n"),
):
    named(
        f"function_that_while_a_module_is_loaded_{_name}",
        given_twice(f"{_WITH_COMPUTE}{_module}", app__computing=_COMPUTING, app__later=_later, app__another="KNOWN = []\n"),
        number_in("app/computing.py", "return "),
    )

_PUTTING = "import sys\n\n\ndef put():\n    if KEY not in sys.modules:\n        sys.modules[KEY] = compute()\n\n\n"
for _name, _module in (
    # Under a name that no text has.
    ("by_a_name_that_is_computed", f"{_PUTTING}def get():\n    put()\n    return sys.modules[KEY]\n"),
    ("by_looking_at_all", f"{_PUTTING}def get():\n    put()\n    return [one for name, one in sys.modules.items() if name.startswith('kn') and name.endswith('wn')]\n"),
    ("by_importing_it", f"{_PUTTING}import importlib\n\n\ndef get():\n    put()\n    return importlib.import_module(KEY)\n"),
    ("by_an_import_statement", f"{_PUTTING}def get():\n    put()\n    import known\n\n    return known\n"),
    ("by_an_import_that_is_executed", f"{_PUTTING}def get():\n    put()\n    space = {{}}\n    exec('import ' + KEY + ' as one', space)\n    return space['one']\n"),
):
    named(
        f"function_whose_result_is_left_in_the_table_of_modules_and_found_{_name}",
        given_twice(f"{_WITH_COMPUTE}KEY = 'kno' + 'wn'\n{_module}", app__computing=_COMPUTING),
        number_in("app/computing.py", "return "),
    )
