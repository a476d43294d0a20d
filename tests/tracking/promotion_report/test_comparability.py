"""The plain word on what is comparable with Table 1."""

from typing import Any

import pytest

from tests.support.promotion_reports import promotion
from tracking.promotion_report.comparability import PUBLISHED, Comparability, comparability
from tracking.promotion_report.records import DataFacts, Refit, TextFacts

BERT = TextFacts(way="finetune", encoder="bert-base-uncased")
MINILM = TextFacts(way="finetune", encoder="minilm")


def data(dataset: str = "mosi", published: str | None = None, **changes: Any) -> DataFacts:
    file = PUBLISHED[dataset]
    given = {"widths": file.widths, "clips": file.clips, **changes}
    return DataFacts(source="features.pkl", published=published, **given)


def told(text: TextFacts, of: DataFacts, dataset: str = "mosi", **changes: Any) -> Comparability:
    return comparability(promotion(dataset=dataset, text=text, data=of, **changes))


def test_the_paper_s_own_setting_is_comparable() -> None:
    for dataset, published in (("mosi", "MOSI aligned"), ("mosei", "MOSEI aligned")):
        word = told(BERT, data(dataset, published), dataset)
        assert word.head.startswith("These figures are comparable with Table 1:")
        assert word.sentences == []


def test_a_folder_of_the_paper_s_encoder_is_that_encoder() -> None:
    text = TextFacts(way="finetune", encoder="/models/bert-base-uncased")
    assert told(text, data(published="MOSI aligned")).sentences == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINILM, "here minilm is."),
        (
            TextFacts(way="frozen", encoder="bert-base-uncased"),
            "here bert-base-uncased encodes the text and stays frozen.",
        ),
        (
            TextFacts(way="precomputed"),
            "here the file's own text features of 768 channels are taken as they are.",
        ),
    ],
)
def test_another_text_encoder_is_named(text: TextFacts, said: str) -> None:
    word = told(text, data(published="MOSI aligned"))
    assert word.head == ("These figures are not comparable with Table 1: the text encoder differs.")
    assert word.sentences == [f"The paper fine-tunes bert-base-uncased; {said}"]


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (data(published="MOSI unaligned"), "the data here are MOSI unaligned."),
        (
            data(widths={"text": 300, "audio": 74, "vision": 20}),
            "audio has 74 channels here, not 5.",
        ),
        (
            data(clips={"train": 10, "valid": 5, "test": 5}),
            "have 10 train, 5 valid, 5 test clips, not 1284 train, 229 valid, 686 test.",
        ),
    ],
)
def test_other_features_are_named(of: DataFacts, said: str) -> None:
    word = told(BERT, of)
    assert word.head == "These figures are not comparable with Table 1: the features differ."
    (sentence,) = word.sentences
    assert sentence.endswith(said)


def test_text_of_the_file_does_not_matter_where_an_encoder_reads_it() -> None:
    of = data(widths={"text": 300, "audio": 5, "vision": 20})
    assert "may differ" in told(BERT, of).head


def test_what_is_not_recognised_may_be_the_same() -> None:
    word = told(BERT, data())
    assert word.head == (
        "Whether these figures are comparable with Table 1 is not known: the features may differ."
    )
    assert "features.pkl is not recognised as that file" in word.sentences[0]
    assert told(MINILM, data()).head.endswith(
        "not comparable with Table 1: the text encoder differs."
    )


def test_a_refit_sees_more_data_than_the_paper() -> None:
    refit = Refit(candidate_epochs=9, paper_epochs=14)
    word = told(BERT, data(published="MOSI aligned"), refit=refit, further=None)
    assert word.head.endswith("Table 1: the training data differ.")
    word = told(MINILM, data(published="MOSI unaligned"), refit=refit, further=None)
    assert word.head.endswith("the text encoder, the features and the training data differ.")


def test_a_dataset_of_which_the_paper_has_no_figures() -> None:
    word = told(BERT, data(), "synthetic")
    assert word.head == (
        "There is nothing to compare with: the paper has no figures for synthetic."
    )
