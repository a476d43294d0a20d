"""What `--set` fixes: typed values, and one sentence for what cannot be."""

import pytest

from dlf.command import BadInputError
from dlf.config import Config, Value
from search.spaces.fixed_values import parse_fixed_values


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("learning_rate=1e-3", 1e-3),
        ("weight_decay=0", 0.0),
        ("width=40", 40),
        ("batch_size=1e2", 100),
        ("normalisation=on", "on"),
        ("optimizer = adamw", "adamw"),
        ("disentangled=false", False),
        ("orthogonality_width=10", 10),
    ],
)
def test_a_word_becomes_what_the_configuration_holds(word: str, value: Value) -> None:
    (fixed,) = parse_fixed_values([word], Config()).items()
    assert fixed == (word.partition("=")[0].strip(), value)
    assert type(fixed[1]) is type(value)


def test_values_are_checked_together_over_the_base() -> None:
    assert parse_fixed_values(["width=64", "heads=8"], Config()) == {"width": 64, "heads": 8}
    with pytest.raises(BadInputError, match=r"--set width=64 cannot be: .*10 heads do not divide"):
        parse_fixed_values(["width=64"], Config())
    eight = Config().with_values({"width": 48, "heads": 8})
    assert parse_fixed_values(["width=64"], eight) == {"width": 64}


def test_nothing_fixed_is_nothing() -> None:
    assert parse_fixed_values([], Config()) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["margin"], "KEY=VALUE, such as margin=0.3, not 'margin'"),
        (["=1"], "KEY=VALUE"),
        (["lamda_r=1"], "'lamda_r'; did you mean lambda_r"),
        (["margin=1", "margin=2"], "gives margin twice"),
        (["margin="], "margin= takes one number or word"),
        (["margin=[1, 2]"], "margin= takes one number or word, not '\\[1, 2\\]'"),
        (["margin=["], "margin= takes one number or word"),
        (["orthogonality_width=null"], "orthogonality_width= takes one number or word"),
        (["width=wide"], "--set width=wide cannot be: model.width"),
        (["learning_rate=0"], "learning_rate: .*greater than 0"),
        (["learning_rate=inf"], "learning_rate: .*finite"),
        (["optimizer=sgd"], "'adam' or 'adamw'"),
    ],
)
def test_what_fixes_nothing_is_refused_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(BadInputError, match=said) as refusal:
        parse_fixed_values(words, Config())
    assert len(str(refusal.value).splitlines()) == 1
