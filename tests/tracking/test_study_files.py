"""What lies in the folder of a study or a promotion."""

from pathlib import Path

from tracking.promotion_report import MARKDOWN_FILE, PAGE_FILE
from tracking.report import REPORT_FILE
from tracking.study_files import StudyFiles


def test_an_empty_folder_has_nothing_for_the_run(tmp_path: Path) -> None:
    assert StudyFiles(tmp_path).of_study() == []


def test_a_studys_run_is_given_its_report_and_its_artifacts(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    (files.artifacts / "a folder").mkdir(parents=True)
    given = [tmp_path / REPORT_FILE, files.artifacts / "a.png", files.artifacts / "b.parquet"]
    for file in (*reversed(given), tmp_path / "best.yaml"):
        file.write_text("something")
    assert files.of_study() == given


def test_a_promotions_run_is_given_both_kinds_of_its_report(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    given = [tmp_path / PAGE_FILE, tmp_path / MARKDOWN_FILE]
    for file in (*given, tmp_path / "promotion.json", tmp_path / "tracking.jsonl"):
        file.write_text("something")
    assert files.of_study() == given
