"""YAML as people write it: a name that is set twice is refused, where YAML's own loader takes the last."""

from typing import Any

import yaml

from pipeline.redaction import redact


class _Loader(yaml.SafeLoader):
    """Refuses names that stand twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                problem = f"{redact(key.value)!r} is set in line {lines[key.value]} already"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        return node


def parse_yaml(text: str) -> Any:
    """Return what a YAML document holds; raise ``yaml.YAMLError`` where it is none or sets a name twice."""
    return yaml.load(text, _Loader)


def problem(error: Exception) -> str:
    """Return what a parser found and where, without the text around it, which may hold a password."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{error.problem} (at line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())
