"""A ViT and Qwen 2 with biases and tied embeddings: the last stage reads the first one's weight. No generator."""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM, ViTConfig, ViTModel

from data import IMAGE_TOKENS, LENGTH, VOCABULARY

BATCH = 3
OPSET = 20
OUTPUTS = ["loss"]
HIDDEN = 32


class CaptionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = ViTModel(
            ViTConfig(
                image_size=8,
                patch_size=2,
                num_channels=1,
                hidden_size=24,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=3,
                initializer_range=0.08,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                attn_implementation="sdpa",
            ),
            add_pooling_layer=False,
        )
        self.projector = nn.Linear(24, HIDDEN)
        self.llm = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=VOCABULARY,
                hidden_size=HIDDEN,
                intermediate_size=48,
                num_hidden_layers=8,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                initializer_range=0.08,
                tie_word_embeddings=True,
                use_cache=False,
                attn_implementation="sdpa",
            )
        )
        place = torch.arange(LENGTH)
        self.register_buffer("is_image", ((place >= 1) & (place <= IMAGE_TOKENS))[None, :, None], persistent=False)

    def forward(self, images, input_ids, labels):
        features = self.projector(self.encoder(pixel_values=images).last_hidden_state[:, 1:])
        words = self.llm.get_input_embeddings()(input_ids)
        placed = F.pad(features, (0, 0, 1, LENGTH - 1 - IMAGE_TOKENS))
        merged = torch.where(self.is_image, placed, words)
        return self.llm(inputs_embeds=merged, labels=labels).loss


def build(seed=0):
    torch.manual_seed(seed)
    return CaptionModel().train()
