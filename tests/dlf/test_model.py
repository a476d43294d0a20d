"""The model: that padding and company are nothing to it, and that all of it is alive."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlf.config import Config
from dlf.encoder import Encoder, EncoderDropouts, Steps, positions_of
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model import DLF, Outputs, Sequences

SEQUENCES = ("projected", "specific", "shared", "reconstructed", "respecified")
GARBAGE = 50.0

Clip = dict[Modality, Tensor]


def clip_of(lengths: dict[Modality, int], widths: PerModality, seed: int) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(lengths[m], widths[m], generator=generator) for m in MODALITIES}


def batch_of(clips: list[Clip], steps: dict[Modality, int] | None = None) -> Sequences:
    """Pad clips with zeros to the longest of them, or with garbage to `steps`."""
    batch: Sequences = {}
    for m in MODALITIES:
        lengths = torch.tensor([len(clip[m]) for clip in clips])
        longest = int(lengths.max()) if steps is None else steps[m]
        values = torch.zeros(len(clips), longest, clips[0][m].shape[1])
        if steps is not None:
            values[:] = GARBAGE
        for i, clip in enumerate(clips):
            values[i, : len(clip[m])] = clip[m]
        batch[m] = Steps(values, lengths)
    return batch


def seen_of(outputs: Outputs, clip: int) -> dict[str, Tensor]:
    """All that the outputs say about one clip of a batch."""
    seen = {
        "prediction": outputs.prediction[clip],
        "shared_prediction": outputs.shared_prediction[clip],
    }
    for m in MODALITIES:
        seen[f"specific_predictions {m}"] = outputs.specific_predictions[m][clip]
        seen[f"aligned {m}"] = outputs.aligned[m][clip]
        for name in SEQUENCES:
            values, lengths = getattr(outputs, name)[m]
            seen[f"{name} {m}"] = values[clip, : lengths[clip]]
    return seen


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor], bound: float = 1e-5) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(
            second[name], tensor, rtol=bound, atol=bound, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.fixture(scope="module")
def model(tiny_config: Config, tiny_sizes: InputSizes) -> DLF:
    torch.manual_seed(0)
    return DLF(tiny_config.model, tiny_sizes).eval()


@pytest.fixture(scope="module")
def losses_of(tiny_config: Config) -> Callable[[Outputs, Tensor], LossTerms]:
    weights = LossWeights.of(tiny_config.loss, torch.device("cpu"))
    return lambda outputs, labels: loss_terms(outputs, labels, weights, 4)


LENGTHS = st.fixed_dictionaries(
    {
        "text": st.sampled_from([1, 2, 3, 4, 7, 9]),
        "audio": st.sampled_from([1, 3, 4, 5, 11, 13]),
        "vision": st.integers(1, 6),
    }
)
"""below, at and above the kernels 3 and 4; vision has none"""


class TestPadding:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(LENGTHS, min_size=1, max_size=4), st.data())
    def test_neither_padding_nor_company_changes_a_clip(
        self,
        model: DLF,
        tiny_sizes: InputSizes,
        several: list[dict[Modality, int]],
        data: st.DataObject,
    ) -> None:
        clips = [clip_of(lengths, tiny_sizes.widths, i) for i, lengths in enumerate(several)]
        steps = {
            m: data.draw(st.integers(max(x[m] for x in several), tiny_sizes.time_steps[m]), label=m)
            for m in MODALITIES
        }
        with torch.inference_mode():
            trimmed = model(batch_of(clips))
            padded = model(batch_of(clips, steps))
            for i, clip in enumerate(clips):
                alone = seen_of(model(batch_of([clip])), 0)
                assert_same(alone, seen_of(trimmed, i))
                assert_same(alone, seen_of(padded, i))

    def test_clips_shorter_than_the_kernel_do_not_read_garbage(
        self, model: DLF, tiny_sizes: InputSizes
    ) -> None:
        clip = clip_of({"text": 1, "audio": 2, "vision": 1}, tiny_sizes.widths, 0)
        whole = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
        with torch.inference_mode():
            assert_same(
                seen_of(model(batch_of([clip])), 0), seen_of(model(batch_of([clip], whole)), 0)
            )

    def test_losses_and_gradients_do_not_see_it(
        self,
        model: DLF,
        tiny_sizes: InputSizes,
        losses_of: Callable[[Outputs, Tensor], LossTerms],
    ) -> None:
        several: list[dict[Modality, int]] = [
            {"text": 3, "audio": 6, "vision": 2},
            {"text": 7, "audio": 4, "vision": 5},
            {"text": 5, "audio": 9, "vision": 1},
        ]
        clips = [clip_of(lengths, tiny_sizes.widths, i) for i, lengths in enumerate(several)]
        labels = torch.tensor([1.0, 1.0, -2.0])
        whole = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
        found = []
        for batch in (batch_of(clips), batch_of(clips, whole)):
            terms = losses_of(model(batch), labels)
            gradients = torch.autograd.grad(terms.total, list(model.parameters()))
            named = dict(zip(dict(model.named_parameters()), gradients, strict=True))
            found.append(terms._asdict() | named)
        assert_same(found[0], found[1])

    def test_the_reference_sees_it(self, tiny_config: Config, tiny_sizes: InputSizes) -> None:
        torch.manual_seed(0)
        config = tiny_config.with_values({"padding": "reference"})
        model = DLF(config.model, tiny_sizes).eval()
        clip = clip_of({"text": 5, "audio": 5, "vision": 3}, tiny_sizes.widths, 0)
        whole = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
        short, long = model(batch_of([clip])), model(batch_of([clip], whole))
        assert (short.prediction - long.prediction).abs() > 1e-3
        assert int(long.shared["audio"].lengths) == 13 - 4 + 1

    def test_a_clips_own_steps_are_not_ignored(self, model: DLF, tiny_sizes: InputSizes) -> None:
        clip = clip_of({"text": 6, "audio": 8, "vision": 4}, tiny_sizes.widths, 0)
        before = model(batch_of([clip])).prediction
        for m in MODALITIES:
            for step in (0, -1):
                other = clip | {m: clip[m].clone()}
                other[m][step] += torch.linspace(0, 1, other[m].shape[1])
                assert (model(batch_of([other])).prediction - before).abs() > 1e-5, (m, step)


class TestShapes:
    def test_sequences_lose_a_kernel_and_keep_a_step(
        self, model: DLF, tiny_sizes: InputSizes
    ) -> None:
        several: list[dict[Modality, int]] = [
            {"text": 2, "audio": 13, "vision": 6},
            {"text": 9, "audio": 1, "vision": 1},
        ]
        clips = [clip_of(lengths, tiny_sizes.widths, i) for i, lengths in enumerate(several)]
        outputs = model(batch_of(clips))
        for name in SEQUENCES:
            sequences = getattr(outputs, name)
            lengths = {m: sequences[m].lengths.tolist() for m in MODALITIES}
            assert lengths == {"text": [1, 7], "audio": [10, 1], "vision": [6, 1]}, name
            shapes = {m: tuple(sequences[m].values.shape) for m in MODALITIES}
            assert shapes == {"text": (2, 7, 8), "audio": (2, 10, 8), "vision": (2, 6, 8)}, name
        for prediction in (
            outputs.prediction,
            outputs.shared_prediction,
            *outputs.specific_predictions.values(),
        ):
            assert prediction.shape == (2,)

    def test_a_feature_width_equal_to_the_model_width_skips_the_convolution(
        self, model: DLF, tiny_config: Config, tiny_sizes: InputSizes
    ) -> None:
        assert set(model.projections) == {"text", "audio"}
        assert [model.kernel(m) for m in MODALITIES] == [3, 4, 1]
        assert [model.projected_steps(m) for m in MODALITIES] == [7, 10, 6]
        clip = clip_of({"text": 4, "audio": 5, "vision": 6}, tiny_sizes.widths, 0)
        assert torch.equal(model(batch_of([clip])).projected["vision"].values[0], clip["vision"])
        wide = tiny_sizes.model_copy(update={"widths": PerModality(text=8, audio=8, vision=7)})
        assert set(DLF(tiny_config.model, wide).projections) == {"vision"}

    def test_a_time_axis_shorter_than_the_kernel(
        self, tiny_config: Config, tiny_sizes: InputSizes
    ) -> None:
        short = tiny_sizes.model_copy(update={"time_steps": PerModality(text=2, audio=1, vision=1)})
        model = DLF(tiny_config.model, short)
        clip = clip_of({"text": 2, "audio": 1, "vision": 1}, short.widths, 0)
        assert model(batch_of([clip, clip])).prediction.isfinite().all()

    def test_the_convolution(self, model: DLF, tiny_sizes: InputSizes) -> None:
        clip = clip_of({"text": 5, "audio": 6, "vision": 2}, tiny_sizes.widths, 0)
        projected = model(batch_of([clip])).projected["audio"].values[0]
        weight = model.projections["audio"].weight
        for step in range(3):
            window = clip["audio"][step : step + 4]
            expected = torch.einsum("kc,wck->w", window, weight)
            torch.testing.assert_close(projected[step], expected)


def test_every_parameter_receives_a_gradient(
    tiny_config: Config, tiny_sizes: InputSizes, losses_of: Callable[[Outputs, Tensor], LossTerms]
) -> None:
    torch.manual_seed(0)
    model = DLF(tiny_config.model, tiny_sizes)
    whole: dict[Modality, int] = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
    clips = [clip_of(whole, tiny_sizes.widths, i) for i in range(6)]
    labels = torch.tensor([1.0, 1.0, -2.0, 0.4, -2.0, 3.0])
    losses_of(model(batch_of(clips)), labels).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


OWN = {f"specific {m}" for m in MODALITIES}
ALL = {f"{name} {m}" for name in ("specific", "shared") for m in MODALITIES}
PREDICTIONS = {"shared_prediction", *(f"specific_predictions {m}" for m in MODALITIES)}


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("text_dropout", {"projected text", "specific text", "shared text", *PREDICTIONS}),
        ("embedding_dropout", ALL | PREDICTIONS),
        ("relu_dropout", ALL | PREDICTIONS),
        ("residual_dropout", ALL | PREDICTIONS),
        (
            "text_attention_dropout",
            {"specific text", "shared text", "shared audio", "shared vision", *PREDICTIONS},
        ),
        (
            "audio_attention_dropout",
            {"specific audio", "shared_prediction", "specific_predictions audio"},
        ),
        (
            "vision_attention_dropout",
            {"specific vision", "shared_prediction", "specific_predictions vision"},
        ),
        ("output_dropout", PREDICTIONS),
    ],
)
def test_dropouts_reach_their_places_alone(
    tiny_config: Config, tiny_sizes: InputSizes, name: str, reached: set[str]
) -> None:
    none = {key: 0.0 for key in tiny_config.values() if key.endswith("_dropout")}
    whole: dict[Modality, int] = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
    batch = batch_of([clip_of(whole, tiny_sizes.widths, i) for i in range(2)])
    torch.manual_seed(0)
    model = DLF(tiny_config.with_values(none | {name: 0.5}).model, tiny_sizes)
    trained, trained_again = seen_of(model(batch), 0), seen_of(model(batch), 0)
    evaluated = seen_of(model.eval()(batch), 0)
    places = ALL | PREDICTIONS | {f"projected {m}" for m in MODALITIES}
    assert {place for place in places if not trained[place].equal(evaluated[place])} == reached
    assert not trained["prediction"].equal(trained_again["prediction"])


NO_DROPOUTS = EncoderDropouts(0, 0, 0, 0)


class TestEncoder:
    @pytest.mark.parametrize(("queries", "keys"), [(3, 5), (5, 3), (4, 4)])
    def test_a_query_sees_keys_up_to_the_difference_of_lengths(
        self, queries: int, keys: int
    ) -> None:
        torch.manual_seed(0)
        encoder = Encoder(8, 2, 2, NO_DROPOUTS).eval()
        query = Steps(torch.randn(1, queries, 8), torch.tensor([queries]))
        memory = torch.randn(1, keys, 8)
        before = encoder(query, Steps(memory, torch.tensor([keys]))).values
        for key in range(keys):
            moved = memory.clone()
            moved[0, key] += torch.linspace(0, 1, 8)
            after = encoder(query, Steps(moved, torch.tensor([keys]))).values
            changed = (after - before)[0].abs().amax(1) > 1e-6
            assert changed.tolist() == [key <= i + abs(keys - queries) for i in range(queries)]

    def test_a_step_sees_itself_and_earlier_ones(self) -> None:
        torch.manual_seed(0)
        encoder = Encoder(8, 2, 2, NO_DROPOUTS).eval()
        values, lengths = torch.randn(1, 5, 8), torch.tensor([5])
        before = encoder(Steps(values, lengths)).values
        for step in range(5):
            moved = values.clone()
            moved[0, step] += torch.linspace(0, 1, 8)
            changed = (encoder(Steps(moved, lengths)).values - before)[0].abs().amax(1) > 1e-6
            assert changed.tolist() == [i >= step for i in range(5)]

    def test_last_is_the_last_valid_step(self) -> None:
        values = torch.arange(12.0).view(2, 3, 2)
        steps = Steps(values, torch.tensor([2, 3]))
        assert steps.last().tolist() == [[2, 3], [10, 11]]
        assert steps.mask().tolist() == [[True, True, False], [True, True, True]]

    def test_positions(self) -> None:
        values = torch.ones(1, 3, 6)
        values[0, 1, 0] = 0
        positions = positions_of(values)[0]
        assert not positions[1].any()
        for step in (0, 2):
            angles = (step + 1) * np.exp(-np.arange(3) * np.log(10000) / 2)
            expected = np.concatenate([np.sin(angles), np.cos(angles)])
            np.testing.assert_allclose(positions[step], expected, atol=1e-6)
