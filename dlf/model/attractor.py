"""The language-focused attractor (LFA), and what stands in for it when it is ablated."""

from itertools import permutations

import torch
from torch import Tensor, nn

from dlf.config import ModelConfig
from dlf.modalities import Modality
from dlf.model.encoder import encoders_of
from dlf.model.steps import Sequences, Steps, separate, with_members


class LanguageAttractor(nn.Module):
    """Language attends to itself and, query of a cross-attention each, to the other modalities."""

    def __init__(self, config: ModelConfig, modalities: tuple[Modality, ...]) -> None:
        super().__init__()
        assert modalities[0] == "text"
        others = modalities[1:]
        self.language = encoders_of(config, config.attractor_layers, ["text"])
        if others:
            self.others = encoders_of(config, config.attractor_layers, others)
            self.memories = encoders_of(config, config.memory_layers, ["text"] * len(others))

    def forward(self, specific: Sequences) -> Tensor:
        """Draw specific features to language, and return the last steps [M, B, width]."""
        text = Steps(specific[0].values[:1], specific[0].lengths[:1])
        found = [self.language.summarise((text,))]
        for memory, members in with_members(_without_the_first(specific)):
            n = len(memory.values)
            query = Steps(text.values.expand(n, -1, -1, -1), text.lengths.expand(n, -1))
            drawn = self.others(query, memory, members)
            found.append(self.memories(drawn, None, members, last_only=True).values.squeeze(2))
        return torch.cat(found)


class OwnAttractor(nn.Module):
    """Without a focus, as in MulT: every modality is the query of cross-attentions to all others.

    What a modality draws from the others is averaged, so that all that follows has the same sizes
    as with the focus on language; a single modality is only encoded once more.
    """

    def __init__(self, config: ModelConfig, modalities: tuple[Modality, ...]) -> None:
        super().__init__()
        self.pairs = list(permutations(range(len(modalities)), 2))
        sources = [modalities[source] for _, source in self.pairs]
        if sources:
            self.others = encoders_of(config, config.attractor_layers, sources)
        self.memories = encoders_of(config, config.memory_layers, ["text"] * len(modalities))

    def forward(self, specific: Sequences) -> Tensor:
        """Let every modality draw from the others, and return the last steps [M, B, width]."""
        each = separate(specific)
        found = []
        for target, own in enumerate(each):
            drawn = [
                self.others(own, each[source], slice(pair, pair + 1)).values
                for pair, (query, source) in enumerate(self.pairs)
                if query == target
            ]
            mixed = Steps(torch.stack(drawn).mean(dim=0), own.lengths) if drawn else own
            members = slice(target, target + 1)
            found.append(self.memories(mixed, None, members, last_only=True).values.squeeze(2))
        return torch.cat(found)


def _without_the_first(sequences: Sequences) -> Sequences:
    (values, lengths), *rest = sequences
    return (*([Steps(values[1:], lengths[1:])] if len(values) > 1 else []), *rest)
