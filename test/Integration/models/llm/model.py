"""An LLM alone: Qwen 3 with its query and key norms, the loss as Hugging Face computes it."""

import torch
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from data import CHARACTERS, IGNORED

BATCH = 2
OPSET = 18
OUTPUTS = ["loss", "tokens"]


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.llm = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(CHARACTERS),
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=8,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=8,
                max_position_embeddings=64,
                initializer_range=0.08,
                tie_word_embeddings=False,
                use_cache=False,
                attn_implementation="eager",
            )
        )

    def forward(self, input_ids, labels):
        loss = self.llm(input_ids=input_ids, labels=labels).loss
        # How many tokens the loss is a mean of: a weight for the mean over microbatches.
        tokens = (labels[:, 1:] != IGNORED).sum().float()
        return loss, tokens


def build(seed=0):
    torch.manual_seed(seed)
    return LanguageModel().train()
