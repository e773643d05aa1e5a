"""What people write is shown within the screen, and turns nothing around beside it."""

import pytest

from tests.e2e.conftest import Open
from tests.e2e.stack import Stack
from tests.e2e.test_every_page import BEYOND_THE_SCREEN

WORD = "w" * 900
NAME = "שלום" + "n" * 90
LAYER = "/admin/strategies/btc_dominance/symbols/LONGWORD/"
PAGES = (
    "/admin/",
    LAYER,
    f"{LAYER}rollback/?version=1",
    "/admin/history/?strategy=btc_dominance&symbol=LONGWORD",
    "/admin/overrides/?symbol=LONGWORD",
)


@pytest.mark.parametrize("width", [390, 1440])
async def test_pages__with_a_word_of_900_characters__stay_within_the_screen(
    log_in: Open, stack: Stack, width: int
) -> None:
    url = "/api/v1/strategies/btc_dominance/config/LONGWORD"
    for hours in (24 + width % 7, 30):
        stack.site.post(url, {"parameters": {"window_hours": hours}, "changed_by": NAME, "reason": WORD})
    console = await log_in("trader", width=width)
    for path in PAGES:
        await console.open(path)
        assert await console.page.evaluate(BEYOND_THE_SCREEN) <= 0, path
        assert await console.page.locator("bdi", has_text=NAME).count() > 0, path
