"""Make a checkpoint that SGLang loads from a llama-like model in a GGUF file: `convert.py FILE.gguf FOLDER`.

`save_pretrained` refuses a model that was read from a quantised file, so its weights go into a new model of the same
shape, whose configuration knows nothing of the quantisation.
"""

# This runs in SGLang's own environment, whose packages are not here.
# pyright: basic, reportMissingImports=false

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

OF_THE_FILE = ("quantization_config", "_name_or_path", "_model_name_or_path")
"""What a configuration says about the file that it was read from."""

BEGIN, END = 1, 2
"""Tokens of SmolLM2: `<|im_start|>` begins a text and `<|im_end|>` ends one."""


def convert(file: Path, folder: Path) -> None:
    """Read the file, and write weights and tokenizer in the folder."""
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    shape = {key: value for key, value in read.config.to_dict().items() if key not in OF_THE_FILE}
    config = LlamaConfig(**shape)
    config.architectures = ["LlamaForCausalLM"]
    model = LlamaForCausalLM(config)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model = model.to(torch.bfloat16)
    model.config.dtype = "bfloat16"
    generation = model.generation_config
    generation.bos_token_id, generation.eos_token_id, generation.pad_token_id = BEGIN, END, END
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    convert(**vars(parser.parse_args()))
