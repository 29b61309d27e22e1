import pytest
import yaml

from pipeline.strict_yaml import parse_yaml, problem


def test_documents_are_read_as_yaml_has_them() -> None:
    assert parse_yaml("a: {b: [1, 2.5, x]}\nc: null") == {"a": {"b": [1, 2.5, "x"]}, "c": None}
    assert parse_yaml("3") == 3


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "b: {a: 1, c: 2, a: 3}"])
def test_a_name_that_stands_twice_is_told_with_its_places(text: str) -> None:
    with pytest.raises(yaml.YAMLError) as raised:
        parse_yaml(text)
    assert problem(raised.value).startswith("'a' is set in line 1 already (at line ")


def test_what_cannot_be_parsed_is_told_without_the_text_around_it() -> None:
    with pytest.raises(yaml.YAMLError) as raised:
        parse_yaml("password: hunter2\nlist: [1, ")
    assert "at line 2" in problem(raised.value)
    assert "hunter2" not in problem(raised.value)
