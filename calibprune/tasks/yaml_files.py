"""The YAML files by which the Evaluation Harness's own command line finds the tasks that come with this package.

It wants a file for each task. They are written from the tables of wording and the templates beside them; studies do not
read them. After adding a language to a table:

    python -m calibprune.tasks.yaml_files
"""

from pathlib import Path

import yaml

from calibprune.tasks import embedded
from calibprune.tasks.paper import mkqa


def texts() -> dict[Path, str]:
    """The text of every file by its path."""
    found = {}
    for name, family in embedded.TASKS.items():
        for language in family.languages:
            path = Path(embedded.__file__).with_name(f"{name}_{language}.yaml")
            found[path] = _text(family.template, embedded.settings(name, language))
    for language in mkqa.LANGUAGES:
        found[Path(mkqa.__file__).with_name(f"mkqa_{language}.yaml")] = _text(mkqa.TEMPLATE, mkqa.settings(language))
    return found


def _text(template: str, settings: dict) -> str:
    return yaml.dump({"include": template, **settings}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


class _Dumper(yaml.SafeDumper):
    """Writes a text of two lines, and an empty one, in double quotes: on one line."""

    def represent_str(self, data: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if "\n" in data or not data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
