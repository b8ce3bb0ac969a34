"""Validators whose models are slow to load: personal data, prompt injections and profanity."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from guardrails import validator_base
from guardrails.validator_base import FailResult, PassResult, ValidationResult, Validator

from activities.adapters.lazy import Lazy

if TYPE_CHECKING:
    from activities.adapters.guards.injection.classifier import Classifier
    from activities.adapters.guards.personal_data import PersonalData

_register = cast("Any", validator_base).register_validator


def _personal_data() -> "PersonalData":
    from activities.adapters.guards.personal_data import PersonalData

    personal_data = PersonalData()
    personal_data.find("Warm up: ann@example.com")  # the first call compiles the patterns
    return personal_data


def _classifier() -> "Classifier":
    from activities.adapters.guards.injection.classifier import Classifier

    return Classifier.load()


def _profanity() -> Callable[[str], float]:
    from activities.adapters.guards.profanity import probability

    return probability


PERSONAL_DATA = Lazy(_personal_data)
CLASSIFIER = Lazy(_classifier)
PROFANITY = Lazy(_profanity)


@_register(name="perdure/pii", data_type="string")
class Pii(Validator):
    """The text holds no personal data of the given kinds. Its message names the kinds and never the data."""

    def __init__(self, kinds: tuple[str, ...], threshold: float) -> None:
        super().__init__()
        self._kinds = kinds
        self._threshold = threshold

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        from activities.adapters.guards.personal_data import KINDS

        kinds = PERSONAL_DATA().find(str(value), self._kinds, self._threshold)
        if kinds:
            return FailResult(error_message=f"it holds personal data: {', '.join(KINDS[kind].words for kind in kinds)}")
        return PassResult()


@_register(name="perdure/injection", data_type="string")
class Injection(Validator):
    """The text does not read like an attempt to change the assistant's instructions."""

    def __init__(self, threshold: float | None) -> None:
        super().__init__()
        self._threshold = threshold

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        classifier = CLASSIFIER()
        if classifier.probability(str(value)) >= (self._threshold or classifier.threshold):
            return FailResult(error_message="it reads like an attempt to change the assistant's instructions")
        return PassResult()


@_register(name="perdure/toxicity", data_type="string")
class Toxicity(Validator):
    """The text does not insult or swear."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self._threshold = threshold

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        if PROFANITY()(str(value)) >= self._threshold:
            return FailResult(error_message="it reads like an insult or swearing")
        return PassResult()
