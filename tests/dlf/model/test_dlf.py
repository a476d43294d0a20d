"""The model: its shapes, where its dropouts are, and that all of it is alive and nothing idle."""

import pytest
import torch

from dlf.config import Config, Regularisers
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model.dlf import DLF
from dlf.model.projection import Projection
from dlf.model.steps import separate
from tests.support.clips import SEQUENCES, batch_of, clips_of, seen_of, whole_clips
from tests.support.gradients import gradients_of, terms_of

LABELS = torch.tensor([1.0, 1.0, -2.0, 0.4, -2.0, 3.0])
ALL = Regularisers(True, True, True, True)


@pytest.fixture(scope="module")
def model(tiny_config: Config, tiny_sizes: InputSizes) -> DLF:
    torch.manual_seed(0)
    return DLF(tiny_config.model, tiny_sizes).eval()


class TestShapes:
    def test_sequences_lose_a_kernel_and_keep_a_step(
        self, model: DLF, tiny_sizes: InputSizes
    ) -> None:
        several: list[dict[Modality, int]] = [
            {"text": 2, "audio": 13, "vision": 6},
            {"text": 9, "audio": 1, "vision": 1},
        ]
        outputs = model(batch_of(clips_of(several, tiny_sizes)), ALL)
        for name in SEQUENCES:
            found = [
                steps.lengths[0].tolist() for steps in separate(getattr(outputs.features, name))
            ]
            assert found == [[1, 7], [10, 1], [6, 1]], name
        assert outputs.prediction.shape == outputs.shared_prediction.shape == (2,)
        assert outputs.specific_predictions.shape == (3, 2)
        assert outputs.features.aligned.shape == outputs.features.summary.shape == (3, 2, 8)

    def test_a_feature_width_equal_to_the_model_width_skips_the_convolution(
        self, model: DLF, tiny_config: Config, tiny_sizes: InputSizes
    ) -> None:
        def convolved(model: DLF) -> set[str]:
            names = [name for name, _ in model.projections.named_parameters()]
            return {name.partition(".")[0] for name in names}

        assert convolved(model) == {"text", "audio"}
        (clip,) = clips_of([{"text": 4, "audio": 5, "vision": 6}], tiny_sizes)
        projected = separate(model(batch_of([clip]), ALL).features.projected)
        assert torch.equal(projected[2].values[0, 0, :6], clip["vision"])
        wide = tiny_sizes.model_copy(update={"widths": PerModality(text=8, audio=8, vision=7)})
        assert convolved(DLF(tiny_config.model, wide)) == {"vision"}

    def test_a_time_axis_shorter_than_the_kernel(
        self, tiny_config: Config, tiny_sizes: InputSizes
    ) -> None:
        short = tiny_sizes.model_copy(update={"time_steps": PerModality(text=2, audio=1, vision=1)})
        model = DLF(tiny_config.model, short)
        assert model(batch_of(whole_clips(2, short)), ALL).prediction.isfinite().all()

    def test_the_convolution(self, model: DLF, tiny_sizes: InputSizes) -> None:
        (clip,) = clips_of([{"text": 5, "audio": 6, "vision": 2}], tiny_sizes)
        projected = separate(model(batch_of([clip]), ALL).features.projected)[1].values[0, 0]
        projection = model.projections["audio"]
        assert isinstance(projection, Projection)
        assert projection.convolution is not None
        weight = projection.convolution.weight.view(8, 4, 3)
        for step in range(3):
            window = clip["audio"][step : step + 4]
            expected = torch.einsum("kc,wkc->w", window, weight)
            torch.testing.assert_close(projected[step], expected)


def test_the_specific_encoders_read_the_reconstruction_again(
    model: DLF, tiny_sizes: InputSizes
) -> None:
    features = model(batch_of(whole_clips(2, tiny_sizes)), ALL).features
    again = separate(model.disentanglement.specific.encode(features.reconstructed))
    for found, expected in zip(separate(features.respecified), again, strict=True):
        torch.testing.assert_close(found.values, expected.values)
    assert not torch.equal(features.respecified[0].values, features.reconstructed[0].values)


class TestNothingIdle:
    def test_every_parameter_receives_a_gradient(
        self, tiny_config: Config, tiny_sizes: InputSizes
    ) -> None:
        torch.manual_seed(0)
        model = DLF(tiny_config.model, tiny_sizes)
        batch = batch_of(whole_clips(6, tiny_sizes))
        terms = terms_of(model, batch, LABELS, tiny_config)
        for name, gradient in gradients_of(model, terms.total).items():
            assert gradient.isfinite().all(), name
            assert gradient.any(), name

    def test_a_prediction_needs_no_regulariser(self, model: DLF, tiny_sizes: InputSizes) -> None:
        batch = batch_of(whole_clips(3, tiny_sizes))
        outputs = model(batch, Regularisers.none())
        assert outputs.features.reconstructed is None
        assert outputs.features.respecified is None
        assert outputs.features.aligned is None
        assert torch.equal(model.predict(batch), outputs.prediction)
        assert torch.equal(model(batch, ALL).prediction, outputs.prediction)

    @pytest.mark.parametrize(
        ("regulariser", "computed"),
        [
            ("reconstruction", {"reconstructed"}),
            ("specific", {"reconstructed", "respecified"}),
            ("margin", {"aligned"}),
            ("orthogonality", set()),
        ],
    )
    def test_a_regulariser_computes_what_it_reads(
        self, model: DLF, tiny_sizes: InputSizes, regulariser: str, computed: set[str]
    ) -> None:
        batch = batch_of(whole_clips(2, tiny_sizes))
        features = model(batch, Regularisers.none()._replace(**{regulariser: True})).features
        optional = {"reconstructed", "respecified", "aligned"}
        assert {name for name in optional if getattr(features, name) is not None} == computed


FEATURES = {f"{name} {m}" for name in ("specific", "shared") for m in MODALITIES}
PREDICTIONS = {"shared_prediction", *(f"specific_predictions {m}" for m in MODALITIES)}


@pytest.mark.parametrize("path", ["common stack", "separate stacks"])
@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("text_dropout", {"projected text", "specific text", "shared text", *PREDICTIONS}),
        ("embedding_dropout", FEATURES | PREDICTIONS),
        ("relu_dropout", FEATURES | PREDICTIONS),
        ("residual_dropout", FEATURES | PREDICTIONS),
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
    tiny_config: Config,
    tiny_sizes: InputSizes,
    unequal_sizes: InputSizes,
    name: str,
    reached: set[str],
    path: str,
) -> None:
    sizes = tiny_sizes if path == "common stack" else unequal_sizes
    none = {key: 0.0 for key in tiny_config.values() if key.endswith("_dropout")}
    batch = batch_of(whole_clips(2, sizes))
    torch.manual_seed(0)
    model = DLF(tiny_config.with_values(none | {name: 0.5}).model, sizes)
    trained, trained_again = seen_of(model(batch, ALL), 0), seen_of(model(batch, ALL), 0)
    evaluated = seen_of(model.eval()(batch, ALL), 0)
    places = FEATURES | PREDICTIONS | {f"projected {m}" for m in MODALITIES}
    assert {place for place in places if not trained[place].equal(evaluated[place])} == reached
    assert not trained["prediction"].equal(trained_again["prediction"])
