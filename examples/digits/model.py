"""A small multimodal LLM: it looks at a digit, says what it is, and draws another one like it.

    images -> encoder (SigLIP) -> projector -> |
    tokens -> embeddings ------------------->  | merged -> llm (Llama) -> caption loss
                                                              hidden states of the <draw> tokens
                                                              -> connector -> generator (SD3's MMDiT) -> flow loss

All three are the classes that the full-size models use, at a small size.
"""

import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

from data import DRAW_TOKENS, IGNORED, IMAGE_TOKENS, VOCABULARY

BATCH = 4
FLOW_WEIGHT = 2.0
OUTPUTS = ["loss", "caption_loss", "flow_loss", "caption_accuracy"]

VISION, HIDDEN, GENERATOR = 48, 64, 48


def mlp(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, outputs), nn.GELU(), nn.Linear(outputs, outputs))


class DigitsModel(nn.Module):
    def __init__(self, attention="sdpa"):
        super().__init__()
        self.encoder = SiglipVisionModel(
            SiglipVisionConfig(
                image_size=8,
                patch_size=2,
                num_channels=1,
                hidden_size=VISION,
                intermediate_size=2 * VISION,
                num_hidden_layers=3,
                num_attention_heads=3,
                vision_use_head=False,
                attn_implementation=attention,
            )
        )
        self.projector = mlp(VISION, HIDDEN)
        self.llm = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(VOCABULARY),
                hidden_size=HIDDEN,
                intermediate_size=2 * HIDDEN,
                num_hidden_layers=8,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                initializer_range=0.05,
                tie_word_embeddings=False,
                use_cache=False,
                attn_implementation=attention,
            )
        )
        self.connector = mlp(HIDDEN, HIDDEN)
        self.generator = SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=1,
            out_channels=1,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=GENERATOR // 16,
            joint_attention_dim=HIDDEN,
            caption_projection_dim=GENERATOR,
            pooled_projection_dim=HIDDEN,
            pos_embed_max_size=4,
        )

    def think(self, images, input_ids):
        """Logits of all tokens and what the generator is to draw, from the image and the tokens."""
        features = self.projector(self.encoder(pixel_values=images).last_hidden_state)
        words = self.llm.get_input_embeddings()(input_ids)
        # The image's places are known ahead: after <start>.
        merged = torch.cat([words[:, :1], features, words[:, 1 + IMAGE_TOKENS :]], dim=1)
        hidden = self.llm.model(inputs_embeds=merged).last_hidden_state
        return self.llm.lm_head(hidden), self.connector(hidden[:, -DRAW_TOKENS:])

    def velocity(self, noisy, times, condition):
        """The flow's direction at `noisy`, from a digit (time 0) to noise (time 1)."""
        return self.generator(
            hidden_states=noisy,
            encoder_hidden_states=condition,
            pooled_projections=condition.mean(dim=1),
            timestep=1000 * times,
            return_dict=False,
        )[0]

    def forward(self, images, input_ids, labels, targets, noise, times):
        logits, condition = self.think(images, input_ids)
        predicted, wanted = logits[:, :-1], labels[:, 1:]
        caption_loss = F.cross_entropy(predicted.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
        valid = wanted != IGNORED
        right = (predicted.argmax(dim=-1) == wanted) & valid
        caption_accuracy = right.sum().float() / valid.sum().float()

        time = times[:, None, None, None]
        noisy = (1 - time) * targets + time * noise
        flow_loss = F.mse_loss(self.velocity(noisy, times, condition), noise - targets)
        return caption_loss + FLOW_WEIGHT * flow_loss, caption_loss, flow_loss, caption_accuracy


def build(seed=0, attention="sdpa"):
    torch.manual_seed(seed)
    return DigitsModel(attention).train()
