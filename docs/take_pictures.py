"""Take the pictures of this folder anew, of a real search in a real browser.

make pictures                                   # searches for some minutes, then takes them
python -m docs.take_pictures --folder FOLDER    # keeps the search there, or takes one from there
"""

import shlex
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.environment import clean_this_process
from dlf.command import EXIT_DONE, BadInputError, CommandParser, run_command
from dlf.metrics import BEST_OBJECTIVE
from docs.terminal_frame import search_on_terminal
from tests.support.browser import SIZE, WatchedPage, open_browser, why_no_browser
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_ui import COMPLETE, Ui
from tracking.report import REPORT_FILE
from tracking.run_names import CONFUSION_FILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, StorageState, ViewportSize

STUDY = "synthetic-demo"
TRIALS, MOMENT = 30, 17
"""of the search, and how many of them are done in the picture of its terminal"""
SEARCH = ("--dataset", "synthetic", "--trials", str(TRIALS), "--max-epochs", "6", "--study", STUDY)
TERMINAL_FILE = "terminal.html"
PROJECT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "images"
COLORS = 256
TALL: "ViewportSize" = {"width": 1280, "height": 1300}
REPORT_SIZE: "ViewportSize" = {"width": 1000, "height": 900}
OVERVIEW_SIZE: "ViewportSize" = {"width": 1640, "height": 720}
OVERVIEW = """
<body style="margin:0;background:#e9ecf0;display:flex;gap:24px;padding:24px;align-items:flex-start">
<pre style="margin:0;background:#1d232a;color:#d7dce2;padding:20px;border-radius:8px;
font:14px/1.45 'DejaVu Sans Mono',monospace;width:740px;min-height:672px;box-sizing:border-box"
>{frame}</pre>
<img src="{report}" style="width:828px;height:672px;object-fit:cover;object-position:top;
border-radius:8px;box-shadow:0 1px 4px #0004">
</body>"""
REGULARISERS = ("margin", "lambda_r", "lambda_s", "lambda_m", "lambda_o")


def main() -> int:
    """Read the flag, search where no search was run yet, take all pictures."""
    parser = CommandParser(prog="python -m docs.take_pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, help="of the search; left out: one that is removed")
    args = parser.parse_args()
    reason = why_no_browser()
    if reason is not None:
        raise BadInputError(f"no picture can be taken: {reason}")
    clean_this_process()
    IMAGES.mkdir(exist_ok=True)
    with _folder(args.folder) as folder, _server(folder) as address:
        report = folder / "runs" / STUDY / REPORT_FILE
        if not report.exists():
            _search(folder, address)
        with open_browser() as browser:
            _of_ui(browser, address)
            _of_report(browser, report)
            _of_terminal_and_report(browser, folder / TERMINAL_FILE, report)
    return EXIT_DONE


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Serve the store of a folder; in a server's, unlike a file's, no page shows this machine."""
    server = MlflowServer(folder)
    server.start()
    try:
        yield server.address
    finally:
        server.kill()


def _search(folder: Path, address: str) -> None:
    """Search on a terminal, and keep a moment of it beside what the search leaves."""
    script = PROJECT / "search" / "run.py"
    words = [*SEARCH, "--tracking-uri", address]
    shown = f"python search/run.py {shlex.join(SEARCH[:-2])}"
    frame = search_on_terminal(script, words, folder, shown=shown, at=MOMENT, trials=TRIALS)
    (folder / TERMINAL_FILE).write_text(frame, encoding="utf-8")


def _of_ui(browser: "Browser", address: str) -> None:
    page = WatchedPage(browser, stored=_assistant_closed(address)).page
    ui = Ui(page, address)
    ui.open()
    ui.row(STUDY).get_by_role("button").first.click()
    ui.show(BEST_OBJECTIVE, "dlf.state", "learning_rate", "lambda_r", "lambda_s")
    ui.row("trial 29").wait_for()
    _take(page, "study")

    ui.filter(COMPLETE)
    ui.sort_lowest_first(BEST_OBJECTIVE)
    ui.row_at(0).get_by_text("trial").wait_for()
    for row in (ui.row_at(0), ui.row("trial 0 (paper)")):
        row.locator(".ag-checkbox-input").check()
    _take(page, "complete")

    compare = page.get_by_role("button", name="Compare", exact=True)
    compare.click()
    page.set_viewport_size(TALL)
    ui.compared("Parameters", "margin")
    ui.compared("Metrics", BEST_OBJECTIVE)
    _scroll_to(page.get_by_role("button", name="Run details"))
    _take(page, "comparison")
    page.set_viewport_size(SIZE)

    page.go_back()
    page.get_by_label("Select all runs").check()
    compare.click()
    page.get_by_role("button", name="Clear All").click()
    _choose(page, 0, REGULARISERS)
    _choose(page, 1, (BEST_OBJECTIVE,))
    _take(page, "parallel")

    page.go_back()
    page.locator("label", has=page.locator('input[value="CHART"]')).click()
    page.get_by_placeholder("Search metric charts").fill("valid/")
    page.locator(".scatterlayer .trace").nth(40).wait_for()
    _take(page, "charts")

    ui.row_at(0).get_by_role("link").click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text(CONFUSION_FILE, exact=True).click()
    page.get_by_role("img", name=CONFUSION_FILE).wait_for()
    _take(page, "artifacts")


def _of_report(browser: "Browser", report: Path) -> None:
    page = WatchedPage(browser, size=REPORT_SIZE).page
    page.goto(report.as_uri())
    page.locator("#top tbody tr").first.wait_for()
    _take(page, "report")
    _keep(page.locator("#parallel").screenshot(animations="disabled"), "report_parallel")
    _keep(page.locator("#regularisers article").first.screenshot(), "report_regularisers")


def _of_terminal_and_report(browser: "Browser", terminal: Path, report: Path) -> None:
    """Take the picture of the README: a search under way, and the report that it leaves."""
    page = WatchedPage(browser, size=REPORT_SIZE).page
    page.goto(report.as_uri())
    page.locator("#top tbody tr").first.wait_for()
    shot = b64encode(page.screenshot(animations="disabled")).decode()
    both = WatchedPage(browser, size=OVERVIEW_SIZE).page
    frame = terminal.read_text(encoding="utf-8")
    both.set_content(OVERVIEW.format(frame=frame, report=f"data:image/png;base64,{shot}"))
    _take(both, "overview")


def _assistant_closed(address: str) -> "StorageState":
    """Return what MLflow remembers of a user who has closed the assistant once."""
    return {
        "cookies": [],
        "origins": [
            {
                "origin": address,
                "localStorage": [
                    {"name": "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "value": "true"},
                    {"name": "mlflow.assistant.panelOpen_v1", "value": "false"},
                ],
            }
        ],
    }


def _choose(page: "Page", box: int, names: tuple[str, ...]) -> None:
    """Choose these names in a box of which one can choose several."""
    page.get_by_role("combobox").nth(box).click()
    choices = page.locator(".du-bois-light-select-dropdown:visible")
    for name in names:
        choice = choices.locator(".du-bois-light-select-item-option-content", has_text=name)
        choices.hover()
        while not choice.count():
            page.mouse.wheel(0, 200)
        choice.first.click()
    page.keyboard.press("Escape")


def _scroll_to(place: "Locator") -> None:
    place.evaluate("place => place.scrollIntoView()")


def _take(page: "Page", name: str) -> None:
    page.mouse.move(0, 0)
    _keep(page.screenshot(animations="disabled"), name)


def _keep(png: bytes, name: str) -> None:
    picture = Image.open(BytesIO(png)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    picture.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    run_command(main)
