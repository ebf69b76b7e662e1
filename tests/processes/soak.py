"""Random edits between warm runs, for as long as wanted: `python soak.py --edits 5000 --seed 7 --minutes 60`.

Seeds follow one another, each with a project and a daemon of its own. A difference between dx-py and a cold pytest is
printed in full, its files are kept, and the next seed is begun; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections import Counter

from dxpy import DxPy
from staleness.mix import Difference, Mix


def main() -> int:
    options = parse()
    until = time.monotonic() + options.minutes * 60 if options.minutes else math.inf
    made, seed, differing = 0, options.seed, []
    counts: Counter[str] = Counter()
    while made < options.edits and time.monotonic() < until:
        mix = one_seed(seed, min(options.round, options.edits - made), until)
        made += mix.step
        counts += mix.counts
        if mix.differs:
            differing.append(f"seed {seed}, step {mix.step}: {mix.place.root}")
        seed += 1
    print(f"{made} edits, {counts['runs']} comparisons, {seed - options.seed} seeds, {len(differing)} differences")
    print(*differing, sep="\n")
    return 1 if differing else 0


def one_seed(seed: int, edits: int, until: float) -> Mix:
    """The edits of one seed, told as they go."""
    place = DxPy.create()
    mix = Mix(place, seed)
    began = time.monotonic()
    try:
        mix.run(edits, until=until)
    except Difference as difference:
        mix.differs = True
        print(difference, flush=True)
    print(f"seed {seed}: {mix.step} edits in {time.monotonic() - began:.0f} s", flush=True)
    place.kill_everything()
    if not mix.differs:
        shutil.rmtree(place.root, ignore_errors=True)
    return mix


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=2000, help="how many in all (default %(default)s)")
    parser.add_argument("--round", type=int, default=200, help="how many for each seed (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=0, help="stop then, even if edits are left")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
