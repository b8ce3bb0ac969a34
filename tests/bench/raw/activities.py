"""The raw workflow's five activities. They do nothing."""

from temporalio import activity

from tests.bench.raw.contracts import Answer, Draft, FoundPassages, Passage, Prompt, Question, Routed, Screened, Search
from tests.bench.texts import PASSAGES, answer


@activity.defn
async def screen(question: Question) -> Screened:
    return Screened(passed=bool(question.text))


@activity.defn
async def route(question: Question) -> Routed:
    return Routed(collection=question.tenant, model="stub", passages=3)


@activity.defn
async def retrieve(search: Search) -> FoundPassages:
    passages = [
        Passage(document=f"document-{number}", version=1, text=text, score=0.9) for number, text in enumerate(PASSAGES)
    ]
    return FoundPassages(passages=passages[: search.route.passages])


@activity.defn
async def generate(prompt: Prompt) -> Answer:
    return Answer(
        text=answer(),
        sources=[passage.document for passage in prompt.passages],
        input_tokens=400,
        output_tokens=30,
    )


@activity.defn
async def check(draft: Draft) -> Screened:
    return Screened(passed=bool(draft.answer.text))
