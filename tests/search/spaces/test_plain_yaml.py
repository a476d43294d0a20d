"""YAML as people mean it: scalars that PyYAML's own loaders read otherwise."""

import pytest
import yaml

from search.spaces.plain_yaml import read_yaml


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(("1e-3", 1e-3), ("5E+2", 500.0), (".5", 0.5), ("-2.", -2.0), ("1.5e3", 1500.0)),
        *(("7", 7), ("-7", -7), ("0", 0)),
        *(("on", "on"), ("off", "off"), ("no", "no"), ("1:30", "1:30"), ("adam", "adam")),
        *(("true", True), ("false", False), ("null", None), ("", None), ("'1'", "1")),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, meant: object) -> None:
    read = read_yaml(text)
    assert read == meant
    assert type(read) is type(meant)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="margin stands there twice"):
        read_yaml("margin: 1\nwidth: 2\nmargin: 3\n")
    assert read_yaml("{a: {x: 1}, b: {x: 2}}") == {"a": {"x": 1}, "b": {"x": 2}}


def test_no_python_object_is_made() -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml("!!python/object/apply:os.getcwd []")
