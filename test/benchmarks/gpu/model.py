"""The benchmark's model: a multimodal LLM of 1.31 billion parameters in plain PyTorch.

    images -> encoder (ViT-L/16) -> projector -> |
    tokens -> embeddings ----------------------> | merged -> llm (24 layers) -> next-token loss
                                                      states of the last places -> connector
                                                      connector, noisy latents -> generator (DiT) -> flow loss

The encoder's and the generator's blocks are written as in timm and DiT (one product for query, key and value, biases,
LayerNorm, GELU), the LLM's as in Llama (RMSNorm, rotary positions, grouped queries, SwiGLU). `--small` is the same at a
size for a CPU. Norms, softmax, losses and the flow's mix are computed in float32, whatever the parameters are.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

OUTPUTS = ["loss", "caption_loss", "flow_loss"]
IGNORED = -100
TIME_CHANNELS = 256


@dataclasses.dataclass(frozen=True)
class Sizes:
    """All of one microbatch; the samples in it are `batch`."""

    batch: int = 4
    image: int = 384
    image_patch: int = 16
    vision: int = 1024
    vision_layers: int = 24
    vision_head: int = 64
    length: int = 2048
    vocabulary: int = 32000
    hidden: int = 1536
    inner: int = 3328
    layers: int = 24
    heads: int = 12
    kv_heads: int = 4
    draw: int = 64
    latent: int = 64
    latent_channels: int = 4
    latent_patch: int = 2
    width: int = 1152
    blocks: int = 16
    block_head: int = 64

    @property
    def image_tokens(self):
        return (self.image // self.image_patch) ** 2

    @property
    def latent_tokens(self):
        return (self.latent // self.latent_patch) ** 2

    @property
    def patch_channels(self):
        return self.latent_channels * self.latent_patch**2


SMALL = Sizes(
    batch=2, image=32, image_patch=8, vision=128, vision_layers=2, length=64, vocabulary=256, hidden=128, inner=192, layers=4,
    heads=2, kv_heads=1, draw=8, latent=8, width=128, blocks=2,
)  # fmt: skip


def sizes_of(arguments):
    given = {name: getattr(arguments, name) for name in ("length", "batch") if getattr(arguments, name)}
    return dataclasses.replace(SMALL if arguments.small else Sizes(), **given)


def add_size_arguments(parser):
    parser.add_argument("--small", action="store_true", help="a few narrow layers, for a CPU")
    parser.add_argument("--length", type=int, help="tokens in a sequence; default 2048, with --small 64")
    parser.add_argument("--batch", type=int, help="samples in a microbatch; default 4, with --small 2")


def heads_of(x, size):
    """[batch, tokens, heads * size] as [batch, heads, tokens, size]"""
    return x.unflatten(-1, (-1, size)).transpose(1, 2)


def attend(query, key, value, causal=False):
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=grouped).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Of all positions with all, with one product for query, key and value."""

    def __init__(self, width, head):
        super().__init__()
        self.head = head
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        return self.proj(attend(*(heads_of(part, self.head) for part in self.qkv(x).chunk(3, dim=-1))))


def mlp(width, inner, outputs, activation):
    return nn.Sequential(nn.Linear(width, inner), activation, nn.Linear(inner, outputs))


class EncoderBlock(nn.Module):
    def __init__(self, width, head):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, head)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = mlp(width, 4 * width, width, nn.GELU())

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, sizes.vision, sizes.image_patch, stride=sizes.image_patch)
        self.pos_embed = nn.Parameter(torch.empty(1, sizes.image_tokens, sizes.vision))
        self.blocks = nn.ModuleList(EncoderBlock(sizes.vision, sizes.vision_head) for _ in range(sizes.vision_layers))
        self.norm = nn.LayerNorm(sizes.vision, eps=1e-6)

    def forward(self, images):
        x = self.patch_embed(images.to(self.pos_embed.dtype)).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def rotary_tables(length, size, like):
    """Cosines and sines [length, size] of the rotary positions."""
    frequencies = 10000.0 ** (-torch.arange(0, size, 2, device=like.device, dtype=torch.float32) / size)
    angles = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x, tables):
    cosine, sine = tables
    low, high = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-high, low], dim=-1) * sine


class DecoderLayer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.head = sizes.hidden // sizes.heads
        keys = sizes.kv_heads * self.head
        self.input_norm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.q_proj = nn.Linear(sizes.hidden, sizes.hidden, bias=False)
        self.k_proj = nn.Linear(sizes.hidden, keys, bias=False)
        self.v_proj = nn.Linear(sizes.hidden, keys, bias=False)
        self.o_proj = nn.Linear(sizes.hidden, sizes.hidden, bias=False)
        self.post_norm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.gate_proj = nn.Linear(sizes.hidden, sizes.inner, bias=False)
        self.up_proj = nn.Linear(sizes.hidden, sizes.inner, bias=False)
        self.down_proj = nn.Linear(sizes.inner, sizes.hidden, bias=False)

    def forward(self, x, tables):
        normed = self.input_norm(x)
        query = rotate(heads_of(self.q_proj(normed), self.head), tables)
        key = rotate(heads_of(self.k_proj(normed), self.head), tables)
        x = x + self.o_proj(attend(query, key, heads_of(self.v_proj(normed), self.head), causal=True))
        normed = self.post_norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(normed)) * self.up_proj(normed))


class LLM(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.embed = nn.Embedding(sizes.vocabulary, sizes.hidden)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.head = nn.Linear(sizes.hidden, sizes.vocabulary, bias=False)


class GeneratorBlock(nn.Module):
    """Norms without parameters, shifted, scaled and gated by the condition (adaLN)."""

    def __init__(self, width, head):
        super().__init__()
        self.width = width
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.attn = SelfAttention(width, head)
        self.mlp = mlp(width, 4 * width, width, nn.GELU(approximate="tanh"))

    def forward(self, x, condition):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=-1)
        x = x + gate1 * self.attn(self.normed(x, shift1, scale1))
        return x + gate2 * self.mlp(self.normed(x, shift2, scale2))

    def normed(self, x, shift, scale):
        return F.layer_norm(x, (self.width,), eps=1e-6) * (1 + scale) + shift


class Generator(nn.Module):
    """The flow's direction at each latent patch, in the context of the LLM's states, which are tokens before the patches."""

    def __init__(self, sizes):
        super().__init__()
        self.width = sizes.width
        self.patch_embed = nn.Linear(sizes.patch_channels, sizes.width)
        self.pos_embed = nn.Parameter(torch.empty(1, sizes.latent_tokens, sizes.width))
        self.time_embed = mlp(TIME_CHANNELS, sizes.width, sizes.width, nn.SiLU())
        self.blocks = nn.ModuleList(GeneratorBlock(sizes.width, sizes.block_head) for _ in range(sizes.blocks))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(sizes.width, 2 * sizes.width))
        self.head = nn.Linear(sizes.width, sizes.patch_channels)

    def forward(self, patches, times, context):
        dtype = self.pos_embed.dtype
        half = TIME_CHANNELS // 2
        steps = torch.arange(half, device=times.device, dtype=torch.float32)
        angles = 1000 * times[:, None] * torch.exp(-math.log(10000) / half * steps)
        condition = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype)) + context.mean(dim=1)
        x = torch.cat([context, self.patch_embed(patches.to(dtype)) + self.pos_embed], dim=1)
        for block in self.blocks:
            x = block(x, condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=-1)
        x = F.layer_norm(x[:, context.shape[1] :], (self.width,), eps=1e-6) * (1 + scale) + shift
        return self.head(x)


class Model(nn.Module):
    """Its pieces are methods, so that a pipeline of stages runs what the whole model runs."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.projector = mlp(sizes.vision, sizes.hidden, sizes.hidden, nn.GELU())
        self.llm = LLM(sizes)
        self.connector = nn.Linear(sizes.hidden, sizes.width)
        self.generator = Generator(sizes)

    def embed(self, images, input_ids):
        """What the LLM reads: the image's features in their places, after the first token."""
        features = self.projector(self.encoder(images))
        words = self.llm.embed(input_ids)
        return torch.cat([words[:, :1], features, words[:, 1 + self.sizes.image_tokens :]], dim=1)

    def decode(self, x, layers):
        tables = rotary_tables(self.sizes.length, self.sizes.hidden // self.sizes.heads, x)
        for layer in layers:
            x = layer(x, tables)
        return x

    def finish(self, x, labels, targets, noise, times):
        """The losses. `labels` are the next tokens, already moved."""
        hidden = self.llm.norm(x)
        logits = self.llm.head(hidden).float()
        caption_loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        targets, noise = self.patches(targets), self.patches(noise)
        time = times[:, None, None]
        noisy = (1 - time) * targets + time * noise
        velocity = self.generator(noisy, times, self.connector(hidden[:, -self.sizes.draw :]))
        flow_loss = F.mse_loss(velocity.float(), noise - targets)
        return caption_loss + flow_loss, caption_loss, flow_loss

    def patches(self, latents):
        """[batch, channels, height, width] as [batch, patches, numbers of one]"""
        side, patch = self.sizes.latent // self.sizes.latent_patch, self.sizes.latent_patch
        x = latents.reshape(-1, self.sizes.latent_channels, side, patch, side, patch)
        return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def forward(self, images, input_ids, labels, targets, noise, times):
        x = self.decode(self.embed(images, input_ids), self.llm.layers)
        return self.finish(x, labels, targets, noise, times)


def build(sizes):
    """Without values, whatever its size: `weights.py` makes them."""
    with torch.device("meta"):
        return Model(sizes).train()


def input_specs(sizes):
    """(shape of one sample, type) of each input, in the order of `forward`."""
    latents = (sizes.latent_channels, sizes.latent, sizes.latent)
    return {
        "images": ((3, sizes.image, sizes.image), torch.float32),
        "input_ids": ((sizes.length,), torch.int64),
        "labels": ((sizes.length,), torch.int64),
        "targets": (latents, torch.float32),
        "noise": (latents, torch.float32),
        "times": ((), torch.float32),
    }


def _transformer_flops(tokens, width, layer_weights, causal=False):
    """Forward FLOPs of one layer and sample: two for each weight and token, and attention's two products."""
    return 2 * tokens * layer_weights + 4 * tokens * tokens * width / (2 if causal else 1)


def forward_flops(sizes):
    """Of one sample, by part: matrix products and attention only; of causal attention the half that the mask leaves."""
    s = sizes
    keys = s.hidden // s.heads * s.kv_heads
    generator_tokens = s.draw + s.latent_tokens
    encoder = s.vision_layers * _transformer_flops(s.image_tokens, s.vision, 12 * s.vision**2)
    encoder += 2 * s.image_tokens * (3 * s.image_patch**2 * s.vision + s.vision * s.hidden + s.hidden**2)
    layer = 2 * s.hidden**2 + 2 * s.hidden * keys + 3 * s.hidden * s.inner
    generator = s.blocks * _transformer_flops(generator_tokens, s.width, 12 * s.width**2)
    # Once a sample: the modulations and the time; then the connector and both ends.
    generator += 2 * (s.width**2 * (6 * s.blocks + 2) + TIME_CHANNELS * s.width + s.width**2)
    generator += 2 * (s.draw * s.hidden * s.width + 2 * s.latent_tokens * s.patch_channels * s.width)
    return {
        "encoder": encoder,
        "layer": _transformer_flops(s.length, s.hidden, layer, causal=True),
        "head": 2 * s.length * s.hidden * s.vocabulary,
        "generator": generator,
    }


def step_flops(sizes, samples):
    """Of forward and backward, which is twice the forward; recomputation would not count."""
    parts = forward_flops(sizes)
    return 3 * samples * (parts["encoder"] + sizes.layers * parts["layer"] + parts["head"] + parts["generator"])


def parameter_counts(model):
    counts = {}
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts
