"""Overrides, history, the way back, compare, import and tokens, as a trader walks them."""

import re

from playwright.async_api import expect

from tests.e2e.conftest import Open
from tests.e2e.console import Console
from tests.e2e.stack import Stack
from tests.e2e.test_every_page import EVERYTHING, violations

VELOCITY = "/admin/strategies/ticker_velocity"
LIQUIDITY = "/admin/strategies/spread_liquidity"
BAD_FILE = """
strategies:
  onchain_metrics: {parameters: {accumulation_periods: 20}}
  btc_dominance: {parameters: {high_threshold: 1000}}
"""


def own(stack: Stack, strategy_id: str, symbol: str = "") -> dict[str, object]:
    """The layer's own parameters, as the API tells them."""
    found: dict[str, object] = stack.get(f"/api/v1/strategies/{strategy_id}/config{'/' + symbol if symbol else ''}")
    return dict(found["overrides"])  # type: ignore[call-overload]


async def test_override__set_explained_compared__back_to_its_first_version(log_in: Open, stack: Stack) -> None:
    console = await log_in("trader")
    page = console.page
    await console.open("/admin/overrides/")
    form = page.locator("#open")
    await form.get_by_label("Strategy").select_option("ticker_velocity")
    await form.get_by_label("Any symbol").fill("ethusdt")
    await form.get_by_role("button", name="Set override").click()
    for window in ("90", "120"):
        await console.type("time_window", window)
        await console.review()
        await console.save(f"a window of {window}")

    await page.get_by_role("link", name="Explain").click()
    row = page.get_by_role("row", name=re.compile("time_window"))
    await expect(row.locator(".wins")).to_have_text("120")
    await expect(row).to_contain_text("symbol")

    await console.open("/admin/compare/?symbols=ETHUSDT&strategy=ticker_velocity&different=1")
    await expect(page.locator(".differs")).to_have_text("≠ 120")

    await console.open("/admin/history/?strategy=ticker_velocity&symbol=ETHUSDT")
    await expect(page.locator("#chain")).to_contain_text(re.compile(r"^All \d+ changes verified"))
    await page.get_by_role("link", name="Diff of version 2").click()
    await expect(page.locator(".diff ins")).to_have_text("120")
    await page.get_by_role("link", name="Roll back to version 1").click()
    await expect(page.locator("#review")).to_contain_text("time_window 120 → 90")
    await page.get_by_role("textbox", name="Reason").fill("too slow")
    await page.get_by_role("button", name="Roll back to version 1").click()
    await console.is_applied()
    assert own(stack, "ticker_velocity", "ETHUSDT") == {"time_window": 90}


async def test_copy_and_bulk__one_reason__every_symbol(log_in: Open, stack: Stack) -> None:
    body = {"parameters": {"lookback_ticks": 30}, "changed_by": "a test"}
    stack.site.post("/api/v1/strategies/spread_liquidity/config/BTCUSDT", body)
    console = await log_in("operator")
    page = console.page
    await console.open(f"{LIQUIDITY}/symbols/BTCUSDT/copy/")
    await page.get_by_label("To these symbols").fill("ethusdt, SOLUSDT")
    await page.get_by_role("textbox", name="Reason").fill("the same everywhere")
    await page.get_by_role("button", name="Copy").click()
    await console.is_applied()
    assert own(stack, "spread_liquidity", "SOLUSDT") == {"lookback_ticks": 30}

    await page.get_by_label("Select all on this page").check()
    await expect(page.locator("#bar-text")).to_have_text("3 selected")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("textbox", name="Reason").fill("back to the rest")
    await page.get_by_role("button", name="Delete 3").click()
    await console.is_applied()
    assert own(stack, "spread_liquidity", "ETHUSDT") == {}


async def test_import__one_bad_line__changes_nothing_and_says_which(log_in: Open, stack: Stack) -> None:
    before = stack.get("/api/v1/config/changes?since=0&limit=1000")
    console = await log_in("trader")
    page = console.page
    await _choose(console, BAD_FILE)
    await expect(page.locator("#refusals")).to_contain_text("btc_dominance global: high_threshold 1000")
    assert await page.get_by_role("button", name=re.compile("^Apply")).count() == 0
    await page.get_by_role("button", name="Choose another file").click()
    assert stack.get("/api/v1/config/changes?since=0&limit=1000") == before

    await _choose(console, BAD_FILE.replace("1000", "71"))
    await expect(page.locator("#plan li")).to_have_count(2)
    await page.get_by_role("textbox", name="Reason").fill("release 42")
    await page.get_by_role("button", name="Apply all 2 changes").click()
    await console.is_applied()
    assert own(stack, "btc_dominance") == {"high_threshold": 71.0}
    assert own(stack, "onchain_metrics") == {"accumulation_periods": 20}


async def test_tokens__issued__works_once_copied_and_not_once_revoked(log_in: Open, stack: Stack) -> None:
    console = await log_in("viewer")
    page = console.page
    await console.open("/admin/tokens/")
    await page.get_by_label("Purpose").fill("my bot")
    await page.get_by_role("button", name="Issue token").click()
    token = await page.locator("#token").inner_text()
    assert stack.site.get("/api/v1/strategies", token=token).status_code == 200
    await console.open("/admin/tokens/")
    assert token not in await page.content()
    await page.get_by_role("button", name=re.compile(f"Revoke my bot ending with {token[-4:]}")).press("Enter")
    await expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    assert await violations(console, EVERYTHING) == []
    assert stack.site.get("/api/v1/strategies", token=token).status_code == 200
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("is revoked")
    assert stack.site.get("/api/v1/strategies", token=token).status_code == 401


async def test_pages__of_a_viewer__offer_no_change_and_refuse_by_url(log_in: Open) -> None:
    console = await log_in("viewer")
    console.refusals.add(403)
    for path in ("/admin/overrides/", "/admin/history/", "/admin/transfer/"):
        await console.open(path)
        assert await console.page.locator("main form[method=post] button").count() == 0, path
    for path in (f"{VELOCITY}/rollback/?version=1", f"{VELOCITY}/symbols/ETHUSDT/copy/", "/admin/transfer/plan/"):
        assert await console.open(path) == 403, path


async def _choose(console: Console, text: str) -> None:
    await console.open("/admin/transfer/")
    file = {"name": "config.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    await console.page.set_input_files("#import-file", file)
    await console.page.get_by_role("button", name="Show the plan").click()
