"""Exports a 24-layer Llama of about one billion parameters with random weights, to measure how long compiling takes.

    python export_1b.py FOLDER          writes FOLDER/model.onnx and FOLDER/model.onnx.data (4.2 GB)

The exporter traces the model without computing it. Needs about 7 GB of memory: the weights, and what PyTorch itself takes.
"""

import argparse
import pathlib
import sys

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from bigmac_export import export  # noqa: E402


class LanguageModel(nn.Module):
    def __init__(self, arguments):
        super().__init__()
        self.llm = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=32000,
                hidden_size=arguments.hidden,
                intermediate_size=arguments.hidden * 9 // 4,
                num_hidden_layers=arguments.layers,
                num_attention_heads=arguments.hidden // 64,
                num_key_value_heads=max(1, arguments.hidden // 512),
                max_position_embeddings=arguments.length,
                tie_word_embeddings=False,
                use_cache=False,
                attn_implementation="sdpa",
            )
        )

    def forward(self, input_ids, labels):
        return self.llm(input_ids=input_ids, labels=labels).loss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=2048, help="a multiple of 512")
    parser.add_argument("--length", type=int, default=1024, help="tokens in a sequence")
    parser.add_argument("--batch", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = LanguageModel(arguments).train()
    tokens = torch.zeros(arguments.batch, arguments.length, dtype=torch.int64)
    path = arguments.folder / "model.onnx"
    export(model, {"input_ids": tokens, "labels": tokens}, path, external_data=True, verify=False)
    print(f"{path}: {sum(parameter.numel() for parameter in model.parameters()) / 1e9:.2f} billion parameters")


if __name__ == "__main__":
    main()
