"""Sections of docs/results.md made of CSV files and of searches of settings."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments import records
from experiments.csv_files import csv_rows, header_lines
from experiments.results.formats import markdown
from experiments.tuning.recommendation import SEARCHES


@dataclass(frozen=True)
class CsvSection:
    """A section that shows one CSV file.

    Attributes:
        title: Its heading.
        command: The command that writes the file.
        note: Text above the table.
        folder: Where the file lies, below docs.
        figure: Whether a figure of that name belongs to it.
    """

    title: str
    command: str
    note: str
    folder: str = "results"
    figure: bool = False


SECTIONS = {
    "wdgrl_speed": CsvSection(
        "WDGRL: features once for all critic steps",
        "benchmarks wdgrl_speed",
        "Encoder updates per second, each with 5 critic updates, batch 32 + 32, on "
        "rows as wide (5,000) and as full (70) as the Amazon reviews, one core. The "
        "reference implementation computes the features of a batch anew in every "
        "critic update. Both in the same Trainer with the same optimizer, in turn; "
        "medians.",
    ),
    "interactions_speed": CsvSection(
        "Pairs from a file",
        "benchmarks interactions_speed",
        "Rows of a CSV read, deduplicated, split and ready for the first training "
        "batch; two threads. Memory is the peak above what imports take.",
    ),
    "ranking_speed": CsvSection(
        "Rankers: training and evaluation",
        "benchmarks ranking_speed",
        "Per second, in turn and one thread. Training: pairs of CML (d = 64, U = 20, "
        "batches of 4,096; 10^6 items, 10^5 users) with sparse gradients and row-wise "
        "Adagrad, beside the same model with dense gradients and torch's Adagrad. "
        "Evaluation: users whose 3,706 items are ranked and evaluated at 10, beside "
        "torchmetrics' six retrieval metrics and implicit's ranking_metrics_at_k.",
    ),
    "index_speed": CsvSection(
        "Indices of neighbours",
        "benchmarks index_speed",
        "Indices of nearest neighbours that `ExportTables` writes (faiss): ten nearest "
        "of 1,000 queries among points in 64 dimensions, in 10,000 clusters that run "
        "into one another; one thread. Recall is against the flat index.",
    ),
    "neighbours": CsvSection(
        "Three neighbours under a learnt metric",
        "experiments.studies.learned_metrics",
        "Accuracy of 3 nearest neighbours on test rows, %, under the Euclidean metric "
        "and under metrics learnt from the training rows; means over random splits of "
        "the rows, the gain over Euclidean with its standard error, and on how many "
        "splits the metric made it worse. `lmnn` is eq. 50, `triplet` eq. 48, "
        "`improved_triplet` eq. 49, `contrastive` eq. 47, all with a linear map; `nca` "
        "is scikit-learn's NeighborhoodComponentsAnalysis. Only `lmnn` was tuned.",
    ),
    "two_gaussians": CsvSection(
        "Two Gaussians: what the critics estimate",
        "experiments.studies run two_gaussians",
        "Critics trained against a frozen generator: two Gaussians in the plane, "
        "shifted by t, so that W1 = t. theory.md derives the closed form of the "
        "penalised optimum; `lipschitz` is the largest slope that was measured.",
        folder="figures",
        figure=True,
    ),
}


def csv_sections(*names: str) -> Iterator[str]:
    """The paragraphs of these sections."""
    for name in names:
        section = SECTIONS[name]
        yield f"## {section.title}"
        path = records.RESULTS.parent / section.folder / f"{name}.csv"
        if not path.exists():
            yield f"Not run yet: `python -m {section.command}`."
            continue
        text = path.read_text()
        rows = csv_rows(text)
        yield section.note
        yield markdown(
            [list(rows[0]), *([_short(v) for v in r.values()] for r in rows)]
        )
        yield " ".join(f"{line[:1].upper()}{line[1:]}." for line in header_lines(text))
        if section.figure:
            yield f"![{name}](figures/{name}.png)"


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def searches_section() -> Iterator[str]:
    """The rankings of the candidates for the rankers' settings."""
    yield "## Rankers: candidate settings on validation users"
    yield (
        "One seed, the best validation of each; test pairs were not looked at. The "
        "first part of a name is the experiment in `configs/`, the rest what was "
        "changed. Command: `python -m experiments.tuning <data>`."
    )
    for data, search in SEARCHES.items():
        ranked = search.ranking()
        if not ranked:
            yield f"{data}: not run yet."
            continue
        rows = [[r["candidate"], f"{r['score']:.4f}", str(r["step"])] for r in ranked]
        yield markdown([[data, ranked[0]["monitor"], "updates"], *rows])
        yield f"{len(rows)} of {len(search.candidates)} candidates finished."
