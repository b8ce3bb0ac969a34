"""Embeds text with all-MiniLM-L6-v2 (int8, ONNX) on the CPU, in this process."""

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  # onnxruntime ships no types
from numpy.typing import NDArray
from tokenizers import Tokenizer

from activities.ports import NotConfigured
from activities.text.search_text import search_text

_onnx = cast("Any", onnxruntime)

MODEL_FILE = "minilm-l6-v2-int8.onnx"
"""The file of the model's weights in the models folder."""

TOKENIZER_FILE = "minilm-l6-v2-tokenizer.json"
"""The file of its tokenizer in the models folder."""

MAX_TOKENS = 256
"""The longest text that the model was trained on, in tokens. The rest of a longer text does not affect its vector."""


class MiniLM:
    """An `Embedder` of 384 dimensions.

    Texts go through the model one by one, which gives the same vectors. On a CPU a batch is slower, since its shorter
    texts are padded: 81 texts a second one by one, 40 in batches of 32, on two shared cores.
    """

    dimensions: int = 384

    def __init__(self, model: Path, tokenizer: Path, *, threads: int = 2) -> None:
        """Load the weights (about a second). Raises `NotConfigured` where a file is missing or cannot be used."""
        for path in (model, tokenizer):
            if not path.is_file():
                raise NotConfigured(
                    f"the embedding model's file {path.name!r} is missing: run `make setup` to fetch it"
                )
        options = _onnx.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait would use the cores that the model server needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session: Any = _onnx.InferenceSession(
                str(model), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = cast("Any", Tokenizer).from_file(str(tokenizer))
            self._counter = cast("Any", Tokenizer).from_file(str(tokenizer))
        except Exception as error:  # noqa: BLE001  # both libraries raise plain Exception, or kinds they do not export
            reason = " ".join(str(error).split())[:160]
            raise NotConfigured(f"the embedding model cannot be loaded ({reason}): run `make setup` again") from None
        self._tokenizer.enable_truncation(max_length=MAX_TOKENS)
        self._tokenizer.no_padding()
        self._counter.no_truncation()
        self._counter.no_padding()
        self._inputs = {str(model_input.name) for model_input in self._session.get_inputs()}

    @classmethod
    def from_folder(cls, models: Path) -> "MiniLM":
        """Load the weights in the models folder, once in this process: they are 90 MB, and any thread may use them.

        Raises `NotConfigured` where a file is missing or cannot be used.
        """
        return _loaded(models / MODEL_FILE, models / TOKENIZER_FILE)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of 384 floats, length 1, for each text. An empty text has a vector too."""
        return await asyncio.to_thread(self._embed, list(texts))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, as the model reads it, without those around every text."""
        read = [search_text(text) for text in texts]
        return [len(encoding.ids) for encoding in self._counter.encode_batch(read, add_special_tokens=False)]

    def _embed(self, texts: list[str]) -> list[list[float]]:
        # Passages and questions come through here alike, so both are normalised.
        read = [search_text(text) for text in texts]
        return [self._vector(encoding) for encoding in self._tokenizer.encode_batch(read)]

    def _vector(self, encoding: Any) -> list[float]:
        """Return the mean of the tokens' vectors, scaled to length 1."""
        feeds = {
            "input_ids": np.array([encoding.ids], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask], dtype=np.int64),
            "token_type_ids": np.array([encoding.type_ids], dtype=np.int64),
        }
        outputs = self._session.run(None, {name: feed for name, feed in feeds.items() if name in self._inputs})
        tokens: NDArray[np.float32] = outputs[0][0]
        mean = tokens.mean(axis=0)
        return cast("list[float]", (mean / max(float(np.linalg.norm(mean)), 1e-12)).tolist())


@cache
def _loaded(model: Path, tokenizer: Path) -> MiniLM:
    return MiniLM(model, tokenizer)
