"""Broken links and broken anchors are found, in Markdown and in built pages."""

from pathlib import Path

import pytest

from docs.check_links import broken_links, follow, sources

PAGE = (
    '<!doctype html><html><head><title>x</title></head><body>{}<h2 id="there">x</h2></body></html>'
)


def written(file: Path, text: str) -> Path:
    """A file with a text."""
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A file with two headings, to be linked to."""
    return written(tmp_path / "other.md", "# Other page\n\n## How it's done, twice\n")


@pytest.mark.parametrize(
    "link",
    [
        "other.md",
        "other.md#how-its-done-twice",
        "other.md#other-page",
        "#own-heading",
        "https://nowhere.invalid/page.md",
        "mailto:a@b.invalid",
    ],
)
def test_a_link_that_leads_somewhere_is_good(tmp_path: Path, other: Path, link: str) -> None:
    page = written(tmp_path / "page.md", f"# Own heading\n\n| a |\n| --- |\n| [x]({link}) |\n")
    assert list(broken_links([page])) == []


@pytest.mark.parametrize("link", ["gone.md", "other.md#gone", "#gone", "../other.md", "gone/x.png"])
@pytest.mark.parametrize("shape", ["[x]({})", "![x]({})", "| a |\n| --- |\n| **[x]({})** |"])
def test_a_link_that_leads_nowhere_is_found(
    tmp_path: Path, other: Path, link: str, shape: str
) -> None:
    page = written(tmp_path / "page.md", f"# Page\n\n{shape.format(link)}\n")
    assert list(broken_links([page])) == [(page, link)]


def test_what_looks_like_a_link_in_code_is_none(tmp_path: Path) -> None:
    page = written(tmp_path / "page.md", "`[x](gone.md)`\n\n    [x](gone.md)\n")
    assert list(broken_links([page])) == []


def test_the_links_of_the_project_lead_somewhere() -> None:
    files = sources()
    assert {"README.md", "index.md", "model.md"} <= {file.name for file in files}
    assert list(broken_links(files)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "good"),
    [("other.html#there", True), ("other.html#gone", False), ("gone.html", False)],
)
def test_built_pages_are_followed(tmp_path: Path, link: str, good: bool) -> None:
    written(tmp_path / "index.html", PAGE.format(f'<a href="{link}">x</a>'))
    written(tmp_path / "other.html", PAGE.format(""))
    assert follow(tmp_path) == good
