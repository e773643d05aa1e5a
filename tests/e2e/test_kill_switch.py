"""Off in one click and a reason; on again with who, when and why in view."""

from playwright.async_api import expect

from tests.e2e.conftest import Open
from tests.e2e.stack import Stack

PATH = "/admin/strategies/cross_exchange_spread/"


async def test_kill_switch__of_an_operator__stops_the_strategy_and_shows_who_and_why(
    log_in: Open, stack: Stack
) -> None:
    console = await log_in("operator")
    page = console.page
    await console.open(PATH)
    await page.get_by_role("link", name="Switch off").click()
    await page.get_by_role("textbox", name="Reason").fill("prices of one exchange stand still")
    await page.get_by_role("button", name="Switch off now").click()
    await console.is_applied()
    await expect(page.locator("#answer .state")).to_have_text("Off")
    assert all("cross_exchange_spread" not in each["strategies"] for each in stack.until(stack.runtimes_current))

    await page.get_by_role("link", name="Switch on").click()
    await expect(page.locator("#switch-dialog")).to_contain_text("prices of one exchange stand still")
    await page.get_by_role("textbox", name="Reason").fill("they move again")
    await page.get_by_role("button", name="Switch on now").click()
    await console.is_applied()
    await expect(page.locator("#answer .state")).to_have_text("On")


async def test_kill_switch__on_a_phone__stands_beside_the_title(log_in: Open) -> None:
    console = await log_in("operator", width=390)
    for path in (PATH, f"{PATH}symbols/BTCUSDT/", f"{PATH}explain/"):
        await console.open(path)
        title = await console.page.get_by_role("heading", level=1).bounding_box()
        switch = await console.page.get_by_role("link", name="Switch off").bounding_box()
        another = await console.page.locator(".page-actions .button:not([data-dialog])").first.bounding_box()
        assert title is not None
        assert switch is not None
        assert another is not None
        assert switch["y"] < title["y"] + title["height"] < another["y"], path


async def test_kill_switch__of_everything__wants_the_typed_confirmation(log_in: Open, stack: Stack) -> None:
    console = await log_in("operator")
    console.refusals.add(422)
    page = console.page
    await console.open("/admin/switch-all/")
    await page.get_by_role("textbox", name="Reason").fill("not meant")
    await page.get_by_label("Type ALL OFF to confirm").fill("all off")
    await page.get_by_role("button", name="Switch everything off now").click()
    await expect(page.locator("#confirmation-error")).to_have_text("Type ALL OFF to confirm.")
    await expect(page.get_by_role("textbox", name="Reason")).to_have_value("not meant")
    assert any(each["enabled"] for each in stack.get("/api/v1/strategies"))
