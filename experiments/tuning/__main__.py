"""Search the settings of a data set's methods: train the candidates, then rank them.

    python -m experiments.tuning amazon                 # what is missing, then ranks
    python -m experiments.tuning amazon --method mmd
    python -m experiments.tuning lastfm --one cml-margin_0.7

How a candidate is scored stands in adaptation.py and recommendation.py; neither looks
at a target label or a test pair. A finished candidate is a line of
docs/results/selection/<data>.jsonl; to train it again, delete its line.
"""

import sys
from typing import Any

from experiments.jobs import add_jobs_option, command_parser, exit_status
from experiments.provenance import require_root
from experiments.tuning import adaptation, recommendation
from experiments.tuning.search import Search


def searches() -> dict[str, Search[Any]]:
    """All searches, by the name of their data."""
    return {**adaptation.SEARCHES, **recommendation.SEARCHES}


def main() -> int:
    """The command line."""
    every_search = searches()
    parser = command_parser("experiments.tuning", __doc__)
    parser.add_argument("data", choices=sorted(every_search), help="for which data set")
    add_jobs_option(parser)
    parser.add_argument("--method", help="only the candidates of this one")
    parser.add_argument("--one", help="train this candidate, even if it is finished")
    args = parser.parse_args()
    search = every_search[args.data]
    for word, names in ((args.method, search.methods), (args.one, search.candidates)):
        if word is not None and word not in names:
            parser.error(f"{word} is unknown: choose from {', '.join(names)}")
    if args.one:
        search.execute(args.one)
        return 0
    methods = [args.method] if args.method else search.methods
    again = f"python -m experiments.tuning {args.data}"
    return exit_status(lambda: search.run(methods, args.jobs), again)


if __name__ == "__main__":
    require_root()
    sys.exit(main())
