"""Loads the embedding model of a worker for a command, and fetches its files first where they are missing."""

from activities.ports import Embedder
from activities.settings import Settings
from deploy.local.weights import weights


def embedder(settings: Settings) -> Embedder:
    """Fetch the files of the embedding model and load it. Raises `DeployError` and `NotConfigured`."""
    from activities.adapters.stores.minilm import MiniLM  # numpy and onnxruntime load only where texts are embedded

    for name in weights.EMBEDDING:
        weights.fetch(name, settings)
    return MiniLM.from_folder(settings.paths.models)
