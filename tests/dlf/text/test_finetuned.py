"""A text encoder inside the model: what it computes, what learns of it, and that it is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AlbertConfig, AlbertModel, AutoModel

from dlf.command import BadInputError
from dlf.config import Config, FinetuningConfig, Value
from dlf.data import Sequences, Split
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.model.steps import Features
from dlf.text.encoder import find_encoder
from dlf.text.finetuned import TextEncoder, pretrained_encoder, untrained_encoder
from dlf.text.source import Encoder, TextSource
from dlf.trained_model import ModelCard, TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.training import Training

CLS, SEP, GOOD, BAD = 2, 3, 20, 40


@pytest.fixture(scope="module")
def sizes(tiny_sizes: InputSizes, tiny_encoder: Encoder) -> InputSizes:
    widths = tiny_sizes.widths.model_copy(update={"text": tiny_encoder.width})
    return tiny_sizes.model_copy(update={"widths": widths})


@pytest.fixture(scope="module")
def spoken(planted_split: Callable[..., Split]) -> Callable[[int, int], Split]:
    """Make clips that say one word for a good label and another for a bad one, among others."""

    def make(clips: int, seed: int) -> Split:
        split = planted_split(clips, seed)
        random = np.random.default_rng(seed)
        texts = [
            [CLS, GOOD if label > 0 else BAD, *random.integers(5, 19, random.integers(0, 6)), SEP]
            for label in split.labels
        ]
        lengths = np.array([len(text) for text in texts])
        ids = np.concatenate(texts)[:, None]
        text = Sequences(ids, np.cumsum(lengths) - lengths, lengths)
        return Split(**{**vars(split), "text": text})

    return make


@pytest.fixture(scope="module")
def finetuned(
    tiny_config: Config, sizes: InputSizes, tiny_encoder: Encoder, spoken: Callable[..., Split]
) -> Callable[..., Training]:
    """Prepare a training with the tiny encoder."""

    def make(max_epochs: int, **values: Value) -> Training:
        config = tiny_config.with_values({"text_learning_rate": 1e-3} | values)
        return Training(
            config,
            sizes,
            spoken(48, 1),
            spoken(24, 2),
            seed=0,
            max_epochs=max_epochs,
            text_encoder=TextEncoder.pretrained(tiny_encoder, config.finetuning),
        )

    return make


def encoder_of(training: Training) -> TextEncoder:
    encoder = training.model.text_encoder
    assert encoder is not None
    return encoder


def copies(encoder: TextEncoder) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in encoder.named_parameters()}


def moved(training: Training, before: dict[str, Tensor]) -> set[str]:
    after = encoder_of(training).named_parameters()
    return {name for name, x in after if not torch.equal(x, before[name])}


def test_the_hidden_states_are_those_of_each_clip_alone(tiny_encoder: Encoder) -> None:
    encoder = TextEncoder.pretrained(tiny_encoder, FinetuningConfig()).eval()
    ids = torch.tensor([[CLS, GOOD, BAD, SEP], [CLS, BAD, SEP, 0]])[:, :, None]
    hidden, lengths = encoder(Features(ids, torch.tensor([4, 3])))
    assert lengths.tolist() == [4, 3]
    alone = encoder.encoder(input_ids=torch.tensor([[CLS, BAD, SEP]])).last_hidden_state
    assert torch.allclose(hidden[1, :3], alone[0], atol=1e-5)


def test_everything_of_the_encoder_learns(finetuned: Callable[..., Training]) -> None:
    training = finetuned(1)
    before = copies(encoder_of(training))
    training.train_epoch()
    assert moved(training, before) == set(before)


def test_the_words_are_learned(finetuned: Callable[..., Training]) -> None:
    maes = [
        record.valid.mae
        for record in finetuned(20, text_dropout=0.0, text_learning_rate=3e-3).epochs()
    ]
    assert min(maes) < 0.75 * maes[0]


def test_frozen_layers_stay_with_their_embeddings(finetuned: Callable[..., Training]) -> None:
    training = finetuned(1, text_frozen_layers=1)
    before = copies(encoder_of(training))
    training.train_epoch()
    frozen = set(before) - moved(training, before)
    assert frozen == {
        name
        for name in before
        if name.startswith(("encoder.embeddings.", "encoder.encoder.layer.0."))
    }


def test_too_many_frozen_layers_are_refused(tiny_encoder: Encoder) -> None:
    with pytest.raises(BadInputError, match="text_frozen_layers is 3"):
        TextEncoder.pretrained(tiny_encoder, FinetuningConfig(text_frozen_layers=3))


def test_layers_that_share_their_weights_cannot_be_frozen(
    tiny_encoder: Encoder, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    shutil.copytree(tiny_encoder.name, folder)
    config = AlbertConfig(
        vocab_size=60,
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    AlbertModel(config).save_pretrained(folder)
    source = find_encoder(str(folder))
    assert TextEncoder.pretrained(source, FinetuningConfig()).encoder.config.num_hidden_layers == 3
    with pytest.raises(BadInputError, match=r"\(albert\) share their weights") as refusal:
        TextEncoder.pretrained(source, FinetuningConfig(text_frozen_layers=1))
    assert "\n" not in str(refusal.value)


def test_gradient_checkpointing_computes_the_same_and_keeps_less(
    finetuned: Callable[..., Training],
) -> None:
    plain = finetuned(1)
    checkpointed = finetuned(1, text_gradient_checkpointing=True)
    assert plain.train_epoch().named() == pytest.approx(
        checkpointed.train_epoch().named(), rel=1e-4
    )
    assert encoder_of(checkpointed).encoder.is_activation_checkpointing


def test_mixed_precision_reaches_the_encoder(finetuned: Callable[..., Training]) -> None:
    training = finetuned(1, precision="bfloat16")
    seen = []
    encoder_of(training).register_forward_hook(lambda *call: seen.append(call[2].values.dtype))
    training.train_epoch()
    products = [x.dtype for x in encoder_of(training).parameters()]
    assert set(products) == {torch.float32}
    assert seen


class TestItsLearningRate:
    def rates(self, training: Training) -> tuple[float, float]:
        model, text = training._optimisation._optimizer.param_groups
        return model["lr"], text["lr"]

    def test_is_its_own(self, finetuned: Callable[..., Training]) -> None:
        training = finetuned(1, text_learning_rate=5e-4)
        training.train_epoch()
        assert self.rates(training) == (3e-3, 5e-4)

    def test_rises_over_the_warm_up(self, finetuned: Callable[..., Training]) -> None:
        training = finetuned(3, text_learning_rate=5e-4, text_warm_up=2.0)
        found = []
        for _ in range(3):
            training.train_epoch()
            found.append(self.rates(training)[1])
        assert found == pytest.approx([2.5e-4, 5e-4, 5e-4])

    def test_falls_on_a_plateau_with_that_of_the_model(
        self, finetuned: Callable[..., Training]
    ) -> None:
        training = finetuned(2, text_learning_rate=5e-4)
        training.train_epoch()
        training._optimisation._optimizer.param_groups[0]["lr"] /= 2
        training.train_epoch()
        assert self.rates(training) == pytest.approx((1.5e-3, 2.5e-4))


def test_a_restored_training_goes_on_as_if_nothing_had_happened(
    finetuned: Callable[..., Training],
) -> None:
    whole = finetuned(3, text_warm_up=2.0)
    records = [record.named() for record in whole.epochs()]
    first, second = finetuned(3, text_warm_up=2.0), finetuned(3, text_warm_up=2.0)
    first.train_epoch()
    second.restore(first.state())
    assert [record.named() for record in second.epochs()] == records[1:]


def test_an_encoder_kept_in_half_precision_is_learned_and_loaded_in_full(
    tiny_config: Config,
    sizes: InputSizes,
    spoken: Callable[..., Split],
    tiny_encoder: Encoder,
    tmp_path: Path,
) -> None:
    half = tmp_path / "half"
    shutil.copytree(tiny_encoder.name, half)
    AutoModel.from_pretrained(half, dtype=torch.float16).save_pretrained(half)
    source = find_encoder(str(half))
    learned = TextEncoder.pretrained(source, FinetuningConfig())
    loaded = TextEncoder.untrained(half)
    for encoder in (learned, loaded):
        assert {x.dtype for x in encoder.state_dict().values() if x.is_floating_point()} == {
            torch.float32
        }
    card = ModelCard(
        dataset="synthetic", text=TextSource(way="finetune", encoder=source), sizes=sizes
    )
    kept = TrainedModel(DLF(tiny_config.model, sizes, learned), tiny_config, card)
    kept.save(tmp_path / "model")
    model = TrainedModel.load(tmp_path / "model").model
    clips = Clips(spoken(10, 3), sizes, tiny_config, "cpu")
    expected = predict(kept.model, clips, tiny_config)
    assert np.array_equal(predict(model, clips, tiny_config), expected)


def test_a_saved_model_carries_its_encoder(
    finetuned: Callable[..., Training],
    spoken: Callable[..., Split],
    sizes: InputSizes,
    tiny_encoder: Encoder,
    tmp_path: Path,
) -> None:
    training = finetuned(1)
    training.train_epoch()
    source = TextSource(way="finetune", encoder=tiny_encoder)
    card = ModelCard(dataset="synthetic", text=source, sizes=sizes)
    TrainedModel(training.model, training.config, card).save(tmp_path / "model")
    loaded = TrainedModel.load(tmp_path / "model")
    assert loaded.card == card
    clips = Clips(spoken(10, 3), sizes, training.config, "cpu")
    expected = predict(training.model, clips, training.config)
    assert np.array_equal(predict(loaded.model, clips, loaded.config), expected)
    assert (tmp_path / "model" / "text_encoder" / "tokenizer.json").is_file()


def test_a_model_without_text_has_no_encoder(
    tiny_config: Config, sizes: InputSizes, tiny_encoder: Encoder
) -> None:
    encoder = TextEncoder.pretrained(tiny_encoder, FinetuningConfig())
    config = tiny_config.with_values({"modalities": "audio+vision"})
    assert DLF(config.model, sizes, encoder).text_encoder is None


def test_only_finetuning_takes_an_encoder(tiny_encoder: Encoder) -> None:
    frozen = TextSource(way="frozen", encoder=tiny_encoder)
    assert pretrained_encoder(frozen, FinetuningConfig()) is None
    assert untrained_encoder(frozen) is None
    finetune = TextSource(way="finetune", encoder=tiny_encoder)
    weights, architecture = (
        pretrained_encoder(finetune, FinetuningConfig()),
        untrained_encoder(finetune),
    )
    assert weights is not None
    assert architecture is not None
    assert weights.state_dict().keys() == architecture.state_dict().keys()
