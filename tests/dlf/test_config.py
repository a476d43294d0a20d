"""The configuration: its names, its values and its YAML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlf.command import BadInputError
from dlf.config import (
    Config,
    DataConfig,
    FinetuningConfig,
    LossConfig,
    ModelConfig,
    Regularisers,
    TrainingConfig,
    Value,
    section_of,
)
from dlf.modalities import MODALITIES
from dlf.presets import preset

SECTIONS = {
    "model": ModelConfig,
    "loss": LossConfig,
    "training": TrainingConfig,
    "finetuning": FinetuningConfig,
    "data": DataConfig,
}


class TestYaml:
    @pytest.mark.parametrize("dataset", ["mosi", "mosei", "synthetic"])
    def test_round_trip(self, dataset: str) -> None:
        config = preset("paper", dataset)
        assert Config.from_yaml(config.to_yaml()) == config

    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "width": st.sampled_from([20, 40, 60]),
                "heads": st.sampled_from([1, 2, 5, 10]),
                "learning_rate": st.floats(1e-8, 1),
                "margin": st.floats(0, 1e3),
                "text_dropout": st.floats(0, 1, exclude_max=True),
                "padding": st.sampled_from(["masked", "reference"]),
                "orthogonality_width": st.sampled_from([2, 4, 10]),
                "accumulation": st.integers(1, 100),
                "modalities": st.sampled_from(["text", "audio+vision", "text+audio+vision"]),
                "attractor": st.sampled_from(["language", "own"]),
                "disentangled": st.booleans(),
                "hierarchical": st.booleans(),
                "optimizer": st.sampled_from(["adam", "adamw"]),
                "weight_decay": st.floats(0, 1),
                "clipping": st.sampled_from(["value", "norm", "none"]),
                "clip_at": st.floats(1e-3, 1e3),
                "precision": st.sampled_from(["float32", "tf32", "bfloat16"]),
                "compiled": st.booleans(),
            },
        )
    )
    def test_round_trip_of_any_values(self, values: dict[str, Value]) -> None:
        config = Config().with_values({"width": 20} | values)
        again = Config.from_yaml(config.to_yaml())
        assert again == config
        assert {name: again.values()[name] for name in values} == values

    def test_what_is_left_out_takes_the_default(self) -> None:
        config = Config.from_yaml("model: {heads: 5}\n")
        assert config == Config().with_values({"heads": 5})

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("model: [1, 2", "not YAML"),
            ("a: b: c", "not YAML"),
            ("- 1\n- 2\n", "configuration"),
            ("", "configuration"),
            ("model: 3\n", "model"),
            ("model: {widht: 20}\n", "model.widht"),
            ("models: {width: 20}\n", "models"),
            ("training: {learning_rate: fast}\n", "training.learning_rate"),
            ("loss: {margin: .nan}\n", "loss.margin"),
            ("model: {text_dropout: 1.0}\n", "model.text_dropout"),
        ],
    )
    def test_what_is_not_valid_is_one_sentence(self, text: str, names: str) -> None:
        with pytest.raises(BadInputError) as caught:
            Config.from_yaml(text)
        message = str(caught.value)
        assert names in message
        assert "\n" not in message


class TestValues:
    def test_names_are_unique_over_sections(self) -> None:
        names = [name for section in SECTIONS.values() for name in section.model_fields]
        assert len(names) == len(set(names))
        assert set(Config().values()) == set(names)
        assert set(Config.model_fields) == set(SECTIONS)

    @pytest.mark.parametrize(
        ("section", "name"),
        [(section, name) for section, model in SECTIONS.items() for name in model.model_fields],
    )
    def test_every_leaf_is_described_and_found(self, section: str, name: str) -> None:
        assert section_of(name) == section
        assert SECTIONS[section].model_fields[name].description

    def test_replaced_values_replace_nothing_else(self) -> None:
        config = Config()
        changed = {"width": 20, "margin": 0.3, "accumulation": 2}
        after = config.with_values(changed)
        assert after.values() == config.values() | changed
        assert config == Config()

    @pytest.mark.parametrize(
        ("wrong", "meant"),
        [
            ("learning_rte", "learning_rate"),
            ("lamda_m", "lambda_m"),
            ("model.width", "width"),
            ("batchsize", "batch_size"),
        ],
    )
    def test_an_unknown_name_suggests_the_nearest(self, wrong: str, meant: str) -> None:
        with pytest.raises(BadInputError, match=f"{wrong!r}.*did you mean .*{meant}") as caught:
            Config().with_values({wrong: 1})
        assert "\n" not in str(caught.value)

    def test_a_name_near_nothing_lists_them_all(self) -> None:
        with pytest.raises(BadInputError) as caught:
            section_of("zzzzzz")
        assert all(name in str(caught.value) for name in Config().values())

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"width": 48}, "10 heads do not divide a width of 48"),
            ({"heads": 7}, "7 heads do not divide a width of 50"),
            ({"orthogonality_width": 7}, "rows of 7 do not fill a width of 50"),
            ({"width": 2, "heads": 1}, "model.width"),
            ({"batch_size": 1}, "training.batch_size"),
            ({"batch_size": 2.5}, "training.batch_size"),
            ({"learning_rate": 0}, "training.learning_rate"),
            ({"learning_rate": -1e-3}, "training.learning_rate"),
            ({"text_dropout": 1}, "model.text_dropout"),
            ({"margin": -0.1}, "loss.margin"),
            ({"lambda_r": "much"}, "loss.lambda_r"),
            ({"padding": "left"}, "model.padding"),
            ({"plateau_factor": 1}, "training.plateau_factor"),
            ({"patience": 0}, "training.patience"),
            ({"modalities": "audio+text"}, "model.modalities"),
            ({"modalities": ""}, "model.modalities"),
            ({"attractor": "audio"}, "model.attractor"),
            ({"disentangled": "perhaps"}, "model.disentangled"),
            ({"hierarchical": 2}, "model.hierarchical"),
            ({"optimizer": "sgd"}, "training.optimizer"),
            ({"weight_decay": -0.1}, "training.weight_decay"),
            ({"clipping": "l2"}, "training.clipping"),
            ({"clip_at": 0}, "training.clip_at"),
            ({"precision": "float16"}, "training.precision"),
        ],
    )
    def test_what_is_not_valid_is_one_sentence(self, values: dict[str, Value], says: str) -> None:
        with pytest.raises(BadInputError) as caught:
            Config().with_values(values)
        message = str(caught.value)
        assert says in message
        assert "\n" not in message

    @pytest.mark.parametrize(
        "name", [name for name, value in Config().values().items() if isinstance(value, float)]
    )
    def test_what_is_no_number_is_not_valid(self, name: str) -> None:
        with pytest.raises(BadInputError, match=name):
            Config().with_values({name: float("nan")})

    def test_frozen(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            Config().model.width = 20  # type: ignore[misc]


class TestStructure:
    @pytest.mark.parametrize(
        ("modalities", "used"),
        [
            ("text+audio+vision", ("text", "audio", "vision")),
            ("text+vision", ("text", "vision")),
            ("audio+vision", ("audio", "vision")),
            ("audio", ("audio",)),
        ],
    )
    def test_used_modalities(self, modalities: str, used: tuple[str, ...]) -> None:
        config = Config().with_values({"modalities": modalities})
        assert config.model.used_modalities == used

    def test_a_regulariser_without_a_weight_is_off(self) -> None:
        for name, regulariser in zip(
            ("lambda_r", "lambda_s", "lambda_m", "lambda_o"), Regularisers._fields, strict=True
        ):
            config = Config().with_values({name: 0})
            assert [n for n, on in config.regularisers._asdict().items() if not on] == [regulariser]
        assert Config().with_values({"disentangled": False}).regularisers == Regularisers.none()

    def test_each_modality_has_its_own(self) -> None:
        config = Config().with_values(
            {
                "text_kernel": 1,
                "audio_kernel": 2,
                "vision_kernel": 3,
                "text_attention_dropout": 0.1,
                "audio_attention_dropout": 0.2,
                "vision_attention_dropout": 0.3,
            }
        )
        assert [config.model.kernel(m) for m in MODALITIES] == [1, 2, 3]
        assert [config.model.attention_dropout(m) for m in MODALITIES] == [0.1, 0.2, 0.3]
