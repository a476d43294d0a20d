"""The MLflow UI in a browser: how one gets from its first page to trials and comparisons."""

import re
from typing import TYPE_CHECKING

from tracking.store.run_links import LOCAL_UI

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

COMPLETE = "tags.dlf.state = 'complete'"
"""the filter for complete trials"""

FIRST_COLUMNS = ("Dataset", "Source", "Models")

ROWS = """
section => {
    const rows = {};
    for (const cell of section.querySelectorAll('[role=rowgroup] > div'))
        (rows[cell.style.top] ??= []).push(cell.innerText);
    for (const row of section.querySelectorAll('tr'))
        rows[row.rowIndex] = [...row.cells].map(cell => cell.innerText);
    return Object.values(rows);
}
"""
"""the texts of each row: of a table, or of two grids that lie beside each other"""

TO_THE_END = """
async section => {
    const grid = section.querySelectorAll('[role=grid]')[1];
    if (!grid) return;
    for (const left of [2, 1, 0]) {
        grid.scrollTop = grid.scrollHeight - grid.clientHeight - left;
        await new Promise(requestAnimationFrame);
    }
}
"""
"""scrolls a table of two grids, of which only what is seen is there: the first lags by a step"""


class Ui:
    """The pages of the UI, as far as the guide to comparing trials goes through them."""

    def __init__(self, page: "Page", address: str) -> None:
        self.page = page
        self._address = address

    def open(self) -> None:
        """Go to the runs of the experiment, as the guide says."""
        self.page.goto(self._address)
        self.page.get_by_text("Model training", exact=True).click()
        self.page.get_by_role("link", name="dlf-synthetic").click()
        self.page.get_by_text("matching runs").wait_for()

    def open_run(self, link: str) -> None:
        """Follow a link that leads to where `make ui` serves by default."""
        self.page.goto(self._address + link.removeprefix(LOCAL_UI))

    def row(self, name: str) -> "Locator":
        link = self.page.get_by_role("link", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=link)

    def cell(self, run_id: str, column: str) -> "Locator":
        return self.page.locator(f'[row-id="{run_id}"] [col-id="{column}"]')

    def show(self, *columns: str) -> None:
        """Show these columns instead of those that are shown at first."""
        self.page.get_by_role("button", name="Columns").click()
        for column in (*FIRST_COLUMNS, *columns):
            self.page.get_by_placeholder("Search columns").fill(column)
            self.page.get_by_role("dialog").get_by_text(column, exact=True).click()
        self.page.keyboard.press("Escape")

    def filter(self, words: str) -> None:
        search = self.page.get_by_placeholder("metrics.rmse < 1")
        search.fill(words)
        search.press("Enter")

    def sort_lowest_first(self, column: str) -> None:
        header = self.page.locator(f'.ag-header-cell[col-id="metrics.`{column}`"]')
        for order in ("false", "true"):
            header.get_by_text(column).first.click()
            self.page.wait_for_url(re.compile(f"orderByAsc={order}"))

    def row_at(self, index: int) -> "Locator":
        """Return a row by its place among those that are seen."""
        return self.page.locator(f'.ag-pinned-left-cols-container [row-index="{index}"]')

    def compared(self, section: str, name: str) -> dict[str, list[str]]:
        """Return what differs between compared runs, near the end of a list, where this name is."""
        switch = self.page.get_by_role("switch", name=f"{section} - Show diff only")
        switch.check()
        table = self.page.locator(".du-bois-light-collapse-item").filter(has=switch)
        table.evaluate(TO_THE_END)
        table.get_by_text(name, exact=True).wait_for()
        return {first: others for first, *others in table.evaluate(ROWS)}
