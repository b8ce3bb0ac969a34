"""Inputs and outputs of the raw workflow's activities: plain pydantic models, texts inline."""

from pydantic import BaseModel

QUEUE = "raw"


class Question(BaseModel):
    tenant: str
    text: str


class Screened(BaseModel):
    passed: bool
    reason: str = ""


class Routed(BaseModel):
    collection: str
    model: str
    passages: int


class Search(BaseModel):
    question: Question
    route: Routed


class Passage(BaseModel):
    document: str
    version: int
    text: str
    score: float


class FoundPassages(BaseModel):
    passages: list[Passage]


class Prompt(BaseModel):
    question: Question
    model: str
    passages: list[Passage]


class Answer(BaseModel):
    text: str
    sources: list[str]
    input_tokens: int
    output_tokens: int


class Draft(BaseModel):
    answer: Answer
    passages: list[Passage]
