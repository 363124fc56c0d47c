"""A search of settings: candidates, their records, their ranking.

Each candidate is trained by a process of its own, and its record is a line of
docs/results/selection/<search>.jsonl; an interrupted search goes on with those that
have none.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from experiments import records
from experiments.jobs import Job, alone, run_all
from experiments.provenance import commit, hardware
from experiments.records import Record, RecordFile, record_file
from experiments.tuning.candidates import Candidate

C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True)
class Search(Generic[C]):
    """Candidates for the settings of some methods on one data set.

    Attributes:
        name: Name of the data set.
        candidates: By name.
        evaluate: Trains a candidate of this search; returns its scores.
        rank: Sorts the records of one method, the best first, in view of the records
            of all methods; may add to them.
        describe: A line about a ranked record.
    """

    name: str
    candidates: Mapping[str, C]
    evaluate: Callable[["Search[C]", str], dict[str, Any]]
    rank: Callable[[Sequence[Record], Sequence[Record]], list[Record]]
    describe: Callable[[Record], str]

    @property
    def methods(self) -> list[str]:
        """Those that have candidates, as they first appear."""
        return list(dict.fromkeys(c.method for c in self.candidates.values()))

    @property
    def file(self) -> RecordFile:
        """The records of the finished candidates."""
        return record_file(f"selection/{self.name}", "candidate")

    def names(self, method: str) -> list[str]:
        """Names of a method's candidates."""
        return [name for name, c in self.candidates.items() if c.method == method]

    def execute(self, name: str) -> None:
        """Train one candidate and keep its scores."""
        candidate, code = self.candidates[name], commit()
        record = {
            "candidate": name,
            "method": candidate.method,
            "options": candidate.options,
            **self.evaluate(self, name),
            "commit": code,
            "hardware": hardware(),
        }
        self.file.add(record)

    def ranking(self, methods: Iterable[str] | None = None) -> list[Record]:
        """The finished candidates, each method's best first."""
        finished = {record["candidate"]: record for record in self.file.read()}
        ranked: list[Record] = []
        for method in sorted(self.methods if methods is None else methods):
            own = [finished[n] for n in self.names(method) if n in finished]
            ranked += self.rank(own, list(finished.values()))
        return ranked

    def run(self, methods: Sequence[str], jobs: int) -> int:
        """Train the missing candidates, print the ranking; returns how many failed."""
        logs = records.RUNS / "selection" / self.name
        with alone(logs / "lock", f"the search for {self.name}"):
            self.file.merge()
            finished = {record["candidate"] for record in self.file.read()}
            names = [name for method in methods for name in self.names(method)]
            missing = [name for name in names if name not in finished]
            program = (sys.executable, "-m", "experiments.tuning", self.name, "--one")
            waiting = [Job(n, (*program, n), logs / f"{n}.log") for n in missing]
            failed = run_all(waiting, jobs, f"search {self.name}")
            self.file.merge()
        for record in self.ranking(methods):
            print(f"{record['candidate']:30} {self.describe(record)}")
        return failed
