"""Sets the injection guard's threshold on honest texts of five kinds, and measures it on others: `injection-honest`."""

import hashlib
import re
from collections.abc import Iterable
from importlib import metadata
from math import log
from pathlib import Path

from activities.adapters.documents.parse import parse
from activities.adapters.guards.injection.classifier import ARRAYS, CARD, Classifier
from activities.adapters.stores.chunks import cut
from activities.settings import ROOT
from deploy.processes.progress import CONSOLE
from evals.injection.card import GUARDS_PAGE, HONEST, Alarms, Figures, Found, Lengths, page_sentence, section
from evals.injection.honest_sources import Half
from evals.injection.honest_texts import PHRASE_BOOK, HonestText, Kind, collect, origins
from evals.injection.train import FIGURES, buried, texts
from evals.injection.training import correct
from evals.questions import DATASETS, HANDBOOK

SEED = 1
COUNT = 1000
"""The texts of each kind in each half."""
SHARES = {Kind.TABLES: 150}
SHARE = 25
"""The most texts of one source; of tables there are fewer sources."""
FIGURES_FILE = DATASETS / "injection" / "honest_figures.json"
BEFORE = 0.609
"""The threshold until now, for the highest window alone, whatever their number."""
LENGTHS = (1, 4, 16, 1_000_000)
"""The most windows of a text of each group of lengths."""
FOREIGN_RULE = "litellm/proxy/guardrails/guardrail_hooks/semantic_guard/route_templates/prompt_injection.yaml"
"""A file of the package litellm: short attacks that somebody else wrote down as examples."""


def collected(
    count: int = COUNT, seed: int = SEED, share: int | None = None, kinds: Iterable[Kind] = Kind
) -> dict[Half, dict[Kind, list[HonestText]]]:
    """Collect both halves, by kind; no text is in both. `share`: the most of one source; None for each kind's own."""
    both: dict[Half, dict[Kind, list[HonestText]]] = {half: {} for half in Half}
    for kind in kinds:
        largest = share or SHARES.get(kind, SHARE)
        for half in Half:
            known = both[Half.CALIBRATION].get(kind, [])
            both[half][kind] = collect(kind, half, count, seed=seed, share=largest, known=known)
    return both


def corrected(classifier: Classifier, calibration: dict[Kind, list[HonestText]]) -> Classifier:
    """Return the classifier with the threshold that the calibration half gives."""
    return correct(classifier, {kind: [one.text for one in found] for kind, found in calibration.items()})


def attack_sets() -> dict[str, list[str]]:
    """Return the attacks that are to be found, by name."""
    passages = [piece.text for path in sorted((HANDBOOK / "documents").iterdir()) for piece in cut(parse(path))]
    own = texts("attacks")
    package = metadata.distribution("litellm")
    rule = Path(str(package.locate_file(FOREIGN_RULE)))
    foreign = re.findall(r'^ +- "(.+)"$', rule.read_text(), re.MULTILINE) if rule.is_file() else []
    return {
        "our own attacks": own,
        "our own attacks, each in the middle of three handbook passages": [
            buried(attack, passages, number) for number, attack in enumerate(own)
        ],
        f"the examples of a rule in litellm {package.version}": foreign,
    }


class Judge:
    """Counts the texts that are taken for attacks with the threshold of before and with a classifier's own."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._before = log(BEFORE / (1 - BEFORE))
        self._now = log(classifier.threshold / (1 - classifier.threshold))
        self._judged = dict[str, tuple[float, int]]()

    def counts(self, every: Iterable[str]) -> dict[str, int]:
        """Return how many of the texts are taken for attacks, before and after."""
        judged = [self._judge(text) for text in every]
        slope = self._classifier.slope
        return {
            "before": sum(highest >= self._before for highest, _ in judged),
            "after": sum(highest - slope * log(windows) >= self._now for highest, windows in judged),
        }

    def lengths(self, every: Iterable[str]) -> list[Lengths]:
        """Count by the number of windows."""
        windows = {text: self._judge(text)[1] for text in every}
        groups = {
            most: [text for text, count in windows.items() if least < count <= most]
            for least, most in zip((0, *LENGTHS), LENGTHS, strict=False)
        }
        return [Lengths(windows=most, texts=len(inside), **self.counts(inside)) for most, inside in groups.items()]

    def _judge(self, text: str) -> tuple[float, int]:
        if text not in self._judged:
            odds = self._classifier.log_odds(text)
            self._judged[text] = (float(odds.max()), len(odds))
        return self._judged[text]


def measured(classifier: Classifier, both: dict[Half, dict[Kind, list[HonestText]]]) -> Figures:
    """Measure a classifier with its threshold on both halves and on the attacks."""
    judge = Judge(classifier)
    alarms = [
        Alarms(
            kind=kind.value,
            half=half.value,
            texts=len(found),
            from_phrases=origins(found)[PHRASE_BOOK],
            sources=", ".join(f"{name} ({count})" for name, count in sorted(origins(found).items())),
            **judge.counts([one.text for one in found]),
        )
        for half, kinds in both.items()
        for kind, found in kinds.items()
    ]
    found = [Found(attacks=name, texts=len(every), **judge.counts(every)) for name, every in attack_sets().items()]
    held_out = [one.text for every in both[Half.HELD_OUT].values() for one in every]
    return Figures(
        sha256=hashlib.sha256(ARRAYS.read_bytes()).hexdigest(),
        threshold=classifier.threshold,
        slope=classifier.slope,
        threshold_before=BEFORE,
        seed=SEED,
        alarms=alarms,
        found=found,
        lengths=judge.lengths(held_out),
    )


def write(classifier: Classifier, figures: Figures) -> None:
    """Write the threshold beside the model, the figures into their file, and both into the pages."""
    classifier.save_facts(figures.sha256)
    FIGURES_FILE.write_text(figures.model_dump_json(indent=1) + "\n")
    card = CARD.read_text()
    before, after = card.partition(f"\n{HONEST}\n")[0], card.partition(f"\n{FIGURES}\n")[2]
    CARD.write_text(f"{before}\n{section(figures)}\n{FIGURES}\n{after}")
    page = ROOT / "agents" / "GUARDS.md"
    page.write_text(GUARDS_PAGE.sub(lambda _: page_sentence(figures), page.read_text(), count=1))


def run(*, keep: bool = False) -> Figures:
    """Set the threshold on the calibration half and measure it on the other; `keep` stores it and its figures.

    Everything is collected from what is installed: no network is used. 10,000 texts take about a minute.
    """
    with CONSOLE.status("collecting"):
        both = collected()
    with CONSOLE.status("measuring"):
        classifier = corrected(Classifier.load(), both[Half.CALIBRATION])
        figures = measured(classifier, both)
    if keep:
        write(classifier, figures)
    return figures
