"""With masked padding neither padding nor company is anything to a clip."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlf.config import Config
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.model.dlf import DLF, Inputs
from dlf.model.steps import separate
from tests.support.clips import assert_same, batch_of, clips_of, seen_of, whole_clips
from tests.support.gradients import gradients_of, terms_of

LABELS = (1.0, -2.0, 1.0, 0.4)
PER_SAMPLE = ("task", "reconstruction", "specific", "orthogonality")

Model = tuple[DLF, InputSizes]


@pytest.fixture(scope="module", params=["aligned", "tiny", "unequal"])
def model(
    request: pytest.FixtureRequest,
    tiny_config: Config,
    tiny_sizes: InputSizes,
    unequal_sizes: InputSizes,
) -> Model:
    """A model and its sizes: one time axis, three, and three that are not stacked."""
    aligned = tiny_sizes.time_steps.model_copy(update=dict.fromkeys(MODALITIES, 9))
    sizes = {
        "aligned": tiny_sizes.model_copy(update={"time_steps": aligned}),
        "tiny": tiny_sizes,
        "unequal": unequal_sizes,
    }[request.param]
    torch.manual_seed(0)
    return DLF(tiny_config.model, sizes).eval(), sizes


def lengths_within(sizes: InputSizes) -> st.SearchStrategy[dict[Modality, int]]:
    """Lengths of one clip, often the shortest and the longest; the kernels are 3, 4 and none."""
    return st.fixed_dictionaries(
        {
            m: st.sampled_from([1, sizes.time_steps[m]]) | st.integers(1, sizes.time_steps[m])
            for m in MODALITIES
        }
    )


def drawn_padding(
    data: st.DataObject, several: list[dict[Modality, int]], sizes: InputSizes
) -> dict[Modality, int]:
    """Time steps from those of the longest clip to more than the dataset ever has."""
    return {
        m: data.draw(st.integers(max(x[m] for x in several), sizes.time_steps[m] + 4), label=m)
        for m in MODALITIES
    }


def mean_of(each: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in each]).mean(dim=0) for name in each[0]}


class TestPredictionsAndFeatures:
    @settings(max_examples=20, deadline=None)
    @given(data=st.data())
    def test_are_those_of_a_clip_alone(
        self, model: Model, tiny_config: Config, data: st.DataObject
    ) -> None:
        dlf, sizes = model
        several = data.draw(st.lists(lengths_within(sizes), min_size=1, max_size=4))
        clips = clips_of(several, sizes)
        steps = drawn_padding(data, several, sizes)
        regularisers = tiny_config.regularisers
        with torch.inference_mode():
            trimmed = dlf(batch_of(clips), regularisers)
            padded = dlf(batch_of(clips, steps), regularisers)
            for i, clip in enumerate(clips):
                alone = seen_of(dlf(batch_of([clip]), regularisers), 0)
                assert_same(alone, seen_of(trimmed, i))
                assert_same(alone, seen_of(padded, i))

    @pytest.mark.parametrize("further", [0, 1, 50])
    def test_of_whole_clips_padded_beyond_the_longest_sequence(
        self, model: Model, tiny_config: Config, further: int
    ) -> None:
        dlf, sizes = model
        clips = whole_clips(2, sizes)
        steps: dict[Modality, int] = {m: sizes.time_steps[m] + further for m in MODALITIES}
        with torch.inference_mode():
            expected = dlf(batch_of(clips), tiny_config.regularisers)
            padded = dlf(batch_of(clips, steps), tiny_config.regularisers)
        assert padded.features is not None
        for m, steps in zip(MODALITIES, separate(padded.features.projected), strict=True):
            assert steps.values.shape[2] <= max(sizes.time_steps[n] for n in MODALITIES), m
        for i in range(2):
            assert_same(seen_of(expected, i), seen_of(padded, i))

    def test_of_the_shortest_clip_next_to_the_longest(
        self, model: Model, tiny_config: Config
    ) -> None:
        dlf, sizes = model
        shortest: dict[Modality, int] = dict.fromkeys(MODALITIES, 1)
        clips = [*clips_of([shortest], sizes), *whole_clips(1, sizes)]
        with torch.inference_mode():
            both = dlf(batch_of(clips), tiny_config.regularisers)
            for i, clip in enumerate(clips):
                alone = dlf(batch_of([clip]), tiny_config.regularisers)
                assert_same(seen_of(alone, 0), seen_of(both, i))

    def test_change_with_a_clips_own_steps(self, model: Model) -> None:
        dlf, sizes = model
        (clip,) = whole_clips(1, sizes)
        before = dlf.predict(batch_of([clip]))
        for m in MODALITIES:
            for step in (0, -1):
                moved = clip[m].clone()
                moved[step] += torch.linspace(0, 5, moved.shape[1])
                after = dlf.predict(batch_of([clip | {m: moved}]))
                assert not torch.equal(after, before), (m, step)


class TestLossesAndGradients:
    @settings(max_examples=8, deadline=None)
    @given(data=st.data())
    def test_do_not_see_padding(
        self, model: Model, tiny_config: Config, data: st.DataObject
    ) -> None:
        dlf, sizes = model
        several = data.draw(st.lists(lengths_within(sizes), min_size=2, max_size=4))
        clips = clips_of(several, sizes)
        labels = torch.tensor(LABELS[: len(clips)])

        def found(batch: Inputs) -> dict[str, Tensor]:
            terms = terms_of(dlf, batch, labels, tiny_config)
            return terms._asdict() | gradients_of(dlf, terms.total)

        padded = batch_of(clips, drawn_padding(data, several, sizes))
        assert_same(found(batch_of(clips)), found(padded), bound=2e-5)

    @settings(max_examples=8, deadline=None)
    @given(data=st.data())
    def test_of_a_batch_are_the_mean_of_its_clips(
        self, model: Model, tiny_config: Config, data: st.DataObject
    ) -> None:
        """Of all terms but the margin loss, which is a property of the batch."""
        dlf, sizes = model
        config = tiny_config.with_values({"lambda_m": 0})
        several = data.draw(st.lists(lengths_within(sizes), min_size=2, max_size=4))
        clips = clips_of(several, sizes)
        labels = torch.tensor(LABELS[: len(clips)])

        def found(batch: Inputs, labels: Tensor) -> dict[str, Tensor]:
            terms = terms_of(dlf, batch, labels, config)
            per_sample = {name: getattr(terms, name) for name in PER_SAMPLE}
            return per_sample | gradients_of(dlf, terms.total)

        alone = [found(batch_of([clip]), labels[i, None]) for i, clip in enumerate(clips)]
        assert_same(mean_of(alone), found(batch_of(clips), labels), bound=2e-5)


class TestReference:
    def test_sees_padding(self, tiny_config: Config, tiny_sizes: InputSizes) -> None:
        torch.manual_seed(0)
        config = tiny_config.with_values({"padding": "reference"})
        dlf = DLF(config.model, tiny_sizes).eval()
        clips = clips_of([{"text": 5, "audio": 5, "vision": 3}], tiny_sizes)
        whole: dict[Modality, int] = {m: tiny_sizes.time_steps[m] for m in MODALITIES}
        short = dlf(batch_of(clips), config.regularisers)
        long = dlf(batch_of(clips, whole), config.regularisers)
        assert (short.prediction - long.prediction).abs() > 1e-3
        assert long.features is not None
        lengths = [int(steps.lengths) for steps in separate(long.features.shared)]
        assert lengths == [9 - 3 + 1, 13 - 4 + 1, 6]
