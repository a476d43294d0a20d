"""The MMSA layout: what is cut away as padding, what becomes zero, and what is refused."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.data import mmsa
from dlf.data.mmsa import CleanDataset
from dlf.modalities import MODALITIES

Content = dict[str, dict[str, Any]]


def clean(content: object) -> CleanDataset:
    return mmsa.clean(deepcopy(content))


def test_clips_keep_their_valid_steps_only(content: Content) -> None:
    dataset = clean(content)
    train = dataset.splits["train"]
    for modality in MODALITIES:
        sequences = train[modality]
        assert sequences.lengths.tolist() == [3, 12, 1, 7]
        assert sequences.starts.tolist() == [0, 3, 15, 16]
        np.testing.assert_array_equal(sequences.values[16:], content["train"][modality][3, :7])
    assert train.ids == content["train"]["id"]
    assert train.raw_text == content["train"]["raw_text"]
    assert train.token_ids.lengths.tolist() == [3, 12, 1, 7]
    np.testing.assert_array_equal(
        train.token_ids.values[3:15], content["train"]["text_bert"][1, 0].astype(np.int32)
    )
    assert dataset.text_kind == "tokens"
    assert dataset.widths.model_dump() == {"text": 6, "audio": 5, "vision": 4}
    assert dataset.time_steps.model_dump() == {"text": 12, "audio": 12, "vision": 12}


def test_padding_on_either_side_gives_the_same_data(content: Content, left_padded: Content) -> None:
    right, left = clean(content), clean(left_padded)
    for name, split in right.splits.items():
        for modality in MODALITIES:
            for field in ("values", "starts", "lengths"):
                np.testing.assert_array_equal(
                    getattr(split[modality], field), getattr(left.splits[name][modality], field)
                )
        np.testing.assert_array_equal(split.token_ids.values, left.splits[name].token_ids.values)


def test_zero_rows_between_valid_steps_are_data(content: Content) -> None:
    content["train"]["audio"][1, 4:8] = 0
    assert clean(content).splits["train"].audio.lengths[1] == 12


def test_an_absent_modality_keeps_one_zero_step(content: Content) -> None:
    content["valid"]["vision"][2] = 0
    vision = clean(content).splits["valid"].vision
    assert vision.lengths.tolist() == [5, 2, 1]
    assert not vision.values[7].any()


def test_nonfinite_audio_and_vision_become_zero_and_are_counted(content: Content) -> None:
    content["train"]["audio"][0, 1, 0] = np.nan
    content["valid"]["audio"][0, 0] = -np.inf
    content["test"]["vision"][1, 5, 3] = np.inf
    dataset = clean(content)
    assert dataset.nonfinite.model_dump() == {"audio": 6, "vision": 1}
    assert dataset.splits["train"].audio.values[1, 0] == 0
    assert dataset.splits["valid"].audio.lengths[0] == 4
    assert all(np.isfinite(s[m].values).all() for s in dataset.splits.values() for m in MODALITIES)


def test_text_beyond_the_mask_is_cut_when_it_is_token_features(content: Content) -> None:
    for split in content.values():
        split["text"] = np.where(split["text"] == 0, np.float32(0.1), split["text"])
    dataset = clean(content)
    assert dataset.text_kind == "tokens"
    assert dataset.splits["train"].text.lengths.tolist() == [3, 12, 1, 7]


def test_a_clip_without_tokens_keeps_one_zero_step_of_text(content: Content) -> None:
    content["valid"]["text_bert"][1] = 0
    valid = clean(content).splits["valid"]
    assert valid.text.lengths.tolist() == [5, 1, 9]
    assert not valid.text.values[5].any()
    assert valid.token_ids.lengths.tolist() == [5, 0, 9]


def test_text_shorter_than_the_mask_is_word_features(content: Content) -> None:
    content["train"]["text"][1, 10:] = 0
    dataset = clean(content)
    assert dataset.text_kind == "words"
    assert dataset.splits["train"].text.lengths.tolist() == [3, 10, 1, 7]
    assert dataset.splits["train"].token_ids.lengths.tolist() == [3, 12, 1, 7]


def test_each_modality_has_its_own_time_axis(content: Content) -> None:
    for split in content.values():
        split["audio"] = np.concatenate([split["audio"], np.zeros_like(split["audio"])], axis=1)
        split["text"] = split["text"][:, :11]
        split["text"][:, 0] = 1
    dataset = clean(content)
    assert dataset.time_steps.model_dump() == {"text": 11, "audio": 24, "vision": 12}
    assert dataset.text_kind == "words"
    assert dataset.splits["train"].audio.lengths.tolist() == [3, 12, 1, 7]


@pytest.mark.parametrize("left", [False, True])
def test_given_lengths_count_zero_rows_as_valid(
    content: Content, left_padded: Content, left: bool
) -> None:
    source = left_padded if left else content
    source["train"]["audio_lengths"] = [4, 12, 2, 7]
    source["train"]["vision_lengths"] = np.array([5, 12, 1, 8])
    source["train"]["vision"][2] = 0
    train = clean(source).splits["train"]
    assert train.audio.lengths.tolist() == [4, 12, 2, 7]
    assert train.vision.lengths.tolist() == [5, 12, 1, 8]
    edge = train.audio.values[0] if left else train.audio.values[3]
    assert not edge.any()


def test_lists_other_precisions_and_object_arrays_are_accepted(content: Content) -> None:
    expected = clean(content).splits["train"]
    train = content["train"]
    train["text"] = train["text"].astype(np.float64)
    audio = np.empty(4, dtype=object)
    audio[:] = list(train["audio"])
    train["audio"] = audio
    train["vision"] = train["vision"].tolist()
    train["regression_labels"] = list(train["regression_labels"])
    train["id"] = np.array(train["id"])
    train["classification_labels"] = object()
    actual = clean(content).splits["train"]
    assert actual.ids == expected.ids
    np.testing.assert_array_equal(actual.labels, expected.labels)
    for modality in MODALITIES:
        np.testing.assert_array_equal(actual[modality].values, expected[modality].values)
        assert actual[modality].values.dtype == np.float32


def test_strings_that_no_file_can_hold_are_repaired(content: Content) -> None:
    content["train"]["raw_text"] = ["\ud800", b"\xff", "ü", b"ok"]
    assert clean(content).splits["train"].raw_text == ["?", "�", "ü", "ok"]


def put(split: str, key: str, value: object) -> Any:
    def change(content: Content) -> None:
        content[split][key] = value(content[split][key]) if callable(value) else value

    return change


def put_value(split: str, key: str, place: tuple[int, ...], value: float) -> Any:
    def change(content: Content) -> None:
        content[split][key][place] = value

    return change


REFUSALS = [
    (lambda c: c.pop("valid"), "the split valid is missing; there are: test, train"),
    (
        lambda c: c["test"].pop("vision"),
        "test/vision is missing; there are: "
        "audio, id, raw_text, regression_labels, text, text_bert",
    ),
    (lambda c: c.update(valid=[1]), "valid is a list, not a dict of features"),
    (put("valid", "id", []), "valid has no clips"),
    (put("valid", "id", 3), "valid/id is not a list of strings"),
    (
        put("train", "audio", lambda a: a[:, 0]),
        "train/audio has shape (4, 5) where 3 dimensions are expected",
    ),
    (put("train", "audio", lambda a: a[:3]), "train/audio has 3 rows where train/id has 4"),
    (put("valid", "raw_text", ["a"]), "valid/raw_text has 1 rows where valid/id has 3"),
    (
        put("test", "regression_labels", lambda a: a[:1]),
        "test/regression_labels has 1 rows where test/id has 2",
    ),
    (
        put("valid", "audio", lambda a: np.concatenate([a, a[..., :1]], axis=2)),
        "valid/audio has width 6 where train/audio has 5",
    ),
    (
        put("train", "text_bert", lambda a: a[:, :2]),
        "train/text_bert has shape (4, 2, 12) where its middle axis must be 3",
    ),
    (
        put("test", "text", lambda a: a[:, :0]),
        "test/text has shape (2, 0, 6) and holds no values",
    ),
    (
        put("valid", "text", lambda a: a[:, :9]),
        "valid/text has 9 steps where valid/text_bert has 12",
    ),
    (
        put("train", "audio_lengths", [3, 13, 1, 7]),
        "train/audio_lengths says 13 in row 1 where train/audio has 12 steps",
    ),
    (
        put("train", "vision_lengths", [3, 12, 1, -1]),
        "train/vision_lengths says -1 in row 3 where train/vision has 12 steps",
    ),
    (
        put("train", "vision_lengths", [3, 12]),
        "train/vision_lengths has 2 rows where train/id has 4",
    ),
    (
        put("train", "audio_lengths", [3, 12, 1, 6]),
        "train/audio has non-zero rows over 7 steps in row 3, from step 0 on, "
        "where train/audio_lengths says 6",
    ),
    (
        put_value("train", "regression_labels", (2,), np.nan),
        "train/regression_labels has 1 of 4 values that are not finite",
    ),
    (
        put_value("valid", "text", (0, 0, 0), np.inf),
        "valid/text has 1 of 216 values that are not finite",
    ),
    (
        put("train", "vision", [["a"], ["b"], ["c"], ["d"]]),
        "train/vision holds values of type <U1, not numbers",
    ),
    (
        put("train", "audio", [[[1.0]], [[1.0], [2.0]]]),
        "train/audio has rows of different shapes",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSALS)
def test_a_misfit_is_refused_in_one_sentence(content: Content, change: Any, sentence: str) -> None:
    change(content)
    with pytest.raises(BadInputError) as refusal:
        clean(content)
    assert str(refusal.value) == sentence


def test_a_file_that_holds_no_dict_is_refused() -> None:
    with pytest.raises(BadInputError, match="the file holds a list, not a dict of splits"):
        clean([1])


class TestForPrediction:
    """Of a file to predict from there may be less."""

    def test_what_is_there_is_cleaned_as_at_an_import(self, content: Content) -> None:
        expected = mmsa.clean(deepcopy(content)).splits
        for names in (("train", "valid", "test"), ("valid", "test"), ("test",)):
            found = mmsa.clean_for_prediction({name: deepcopy(content[name]) for name in names})
            assert list(found) == list(names)
            for name, split in found.items():
                assert split.ids == expected[name].ids
                np.testing.assert_array_equal(split.labels, expected[name].labels)
                for m in MODALITIES:
                    np.testing.assert_array_equal(split[m].values, expected[name][m].values)
                    np.testing.assert_array_equal(split[m].lengths, expected[name][m].lengths)

    def test_text_is_what_train_says_it_is(self, content: Content) -> None:
        content["train"]["text"][0, 0] = 0
        content["test"]["text"][0, 0] = 0
        content["test"]["text"][1, 0] = 0
        expected = mmsa.clean(deepcopy(content))
        assert expected.text_kind == "words"
        for names in (("train", "test"), ("test",)):
            found = mmsa.clean_for_prediction({name: deepcopy(content[name]) for name in names})
            np.testing.assert_array_equal(
                found["test"].text.lengths, expected.splits["test"].text.lengths
            )

    def test_labels_may_be_missing_and_not_wrong(self, content: Content) -> None:
        del content["test"]["regression_labels"]
        with pytest.raises(BadInputError, match="test/regression_labels is missing"):
            mmsa.clean(deepcopy(content))
        assert np.isnan(mmsa.clean_for_prediction(deepcopy(content))["test"].labels).all()
        content["test"]["regression_labels"] = np.array([1.0, np.nan])
        with pytest.raises(BadInputError, match="test/regression_labels has 1 of 2 values that ar"):
            mmsa.clean_for_prediction(deepcopy(content))

    def test_a_modality_may_be_absent_from_all_clips_but_not_everything_from_one(
        self, content: Content
    ) -> None:
        content["test"]["vision"][:] = 0
        with pytest.raises(BadInputError, match="test/vision holds nothing but zeros"):
            mmsa.clean(deepcopy(content))
        split = mmsa.clean_for_prediction(deepcopy(content))["test"]
        assert split.vision.lengths.tolist() == [1, 1]
        assert not split.vision.values.any()
        for key in ("audio", "text", "text_bert"):
            content["test"][key][0] = 0
        with pytest.raises(BadInputError, match="test has no text, no audio, no vision, no tokens"):
            mmsa.clean_for_prediction(content)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ({}, "there is none of the splits train, valid, test; there are: none"),
            ({"dev": 1}, "there is none of the splits train, valid, test; there are: dev"),
            ([], "the file holds a list, not a dict of splits"),
        ],
    )
    def test_a_file_without_splits_is_refused(self, content: object, sentence: str) -> None:
        with pytest.raises(BadInputError, match=sentence):
            mmsa.clean_for_prediction(content)
