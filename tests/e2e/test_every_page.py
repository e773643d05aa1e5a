"""What holds for every page: it fits, it breaks nothing, it asks nobody else, and a screen reader finds its way."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.e2e.conftest import Open
from tests.e2e.console import Console

SERIOUS = {"moderate", "serious", "critical"}
# The theme's scrollbars are regions that all have one name; it is serious nowhere.
OF_THE_THEME = {"landmark-unique"}
# The order of the headings in the documentation is its makers'.
OF_A_DOCUMENT = SERIOUS - {"moderate"}
# Of what is behind the text, 0 to 255.
LIGHTNESS = """() => {
    const behind = [document.querySelector(".swagger-ui, redoc"), document.body, document.documentElement];
    const colours = behind.map(each => getComputedStyle(each).backgroundColor.match(/[\\d.]+/g).map(Number));
    const [red, green, blue] = colours.find(each => each.length === 3) ?? [255, 255, 255];
    return (red + green + blue) / 3;
}"""
HALF_LIGHT = 128
TOO_SMALL = """[...document.querySelectorAll("#content :is(table a, h2 a, input[type=checkbox])")]
    .filter(each => each.checkVisibility()).map(each => [each, each.getBoundingClientRect()])
    .filter(([each, box]) => Math.min(box.width, box.height) < 24)
    .map(([each, box]) => `${each.innerText || each.name} ${box.width} x ${box.height}`)"""
FIRST_FRAME = "requestAnimationFrame(() => { window.first = getComputedStyle(document.documentElement).colorScheme; });"
BEYOND_THE_SCREEN = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
EVERYTHING = {"resultTypes": ["violations"]}
# All that the other theme changes.
CONTRAST = EVERYTHING | {"runOnly": ["color-contrast"]}
# By width the theme and the rules. What the wide page's markup breaks, the narrow one's mostly does, too.
Looks = dict[int, tuple[str, dict[str, Any]]]
LOOKS = [
    pytest.param({1440: ("light", EVERYTHING), 390: ("dark", CONTRAST)}, id="light on a desk and dark in a hand"),
    pytest.param(
        {1440: ("dark", CONTRAST), 390: ("light", EVERYTHING)}, id="the other way round", marks=pytest.mark.slow
    ),
]
PAGES = {
    "strategies": (
        "/admin/",
        "/admin/strategies/orderbook_skew/",
        "/admin/strategies/cross_exchange_spread/",
        "/admin/strategies/ticker_velocity/symbols/BTCUSDT/",
        "/admin/strategies/orderbook_skew/switch/",
        "/admin/strategies/orderbook_skew/symbols/BTCUSDT/switch/",
        "/admin/switch-all/",
        "/admin/halts/",
    ),
    "across": (
        "/admin/overrides/?strategy=ticker_velocity",
        "/admin/strategies/orderbook_skew/symbols/BTCUSDT/explain/",
        "/admin/strategies/ticker_velocity/symbols/BTCUSDT/copy/",
        "/admin/history/",
        "/admin/signals/?strategy=orderbook_skew&symbol=BTCUSDT&global_version=1",
        "/admin/compare/?symbols=BTCUSDT+ETHUSDT",
        "/admin/transfer/",
    ),
    "market": ("/admin/market/", "/admin/market/BTCUSDT/", "/admin/market/NOSUCHUSDT/?timeframe=1m"),
    "people": (
        "/admin/tokens/",
        "/admin/help/",
        "/admin/help/orderbook_skew/",
        "/admin/auth/user/1/change/",
        "/admin/auth/group/",
        "/admin/auth/group/1/change/",
        "/admin/auth/user/",
        "/admin/password_change/",
        "/admin/auth/user/add/",
    ),
}

# The same pages again, with more on them.
UNFILTERED = pytest.param(
    ("/admin/overrides/", "/admin/strategies/orderbook_skew/explain/", "/admin/signals/", "/admin/compare/"),
    id="unfiltered",
    marks=pytest.mark.slow,
)


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("pages", [*(pytest.param(paths, id=name) for name, paths in PAGES.items()), UNFILTERED])
async def test_page__at_each_width_and_scheme__fits_and_is_accessible(
    log_in: Open, pages: tuple[str, ...], looks: Looks
) -> None:
    console = await log_in("admin")
    found = []
    for path in pages:
        assert await console.open(path) == 200, path
        for width, (theme, rules) in looks.items():
            await console.page.set_viewport_size({"width": width, "height": 900})
            beyond = await console.page.evaluate(BEYOND_THE_SCREEN)
            if beyond > 0:
                found.append(f"{path}: {beyond} px wider than {width} px")
            await console.wear(theme)
            found += [f"{path} at {width} px, {theme}: {violation}" for violation in await violations(console, rules)]
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_theme__of_a_new_user__is_that_of_the_system(log_in: Open, scheme: str) -> None:
    console = await log_in("viewer", scheme=scheme)
    await console.page.add_init_script(FIRST_FRAME)
    await console.open("/admin/")
    assert await console.is_dark() == (scheme == "dark")
    assert await console.page.evaluate("window.first") == ("dark" if scheme == "dark" else "normal")
    assert await violations(console, EVERYTHING) == []


async def violations(console: Console, options: dict[str, Any], judged: set[str] = SERIOUS) -> list[str]:
    """What a screen reader, or weak eyes, would stumble over."""
    told = (await Axe().run(console.page, options=options)).response["violations"]
    bad = (each for each in told if each["impact"] in judged and each["id"] not in OF_THE_THEME)
    return [f"{each['id']} at {each['nodes'][0]['html'][:200]}" for each in bad]


@pytest.mark.parametrize("path", ["/docs", pytest.param("/redoc", marks=pytest.mark.slow)])
async def test_documentation__in_each_scheme__asks_no_other_host_and_is_readable(log_in: Open, path: str) -> None:
    console = await log_in("viewer", width=390, scheme="dark")
    await open_documentation(console, path)
    assert await console.page.evaluate(LIGHTNESS) < HALF_LIGHT
    assert await violations(console, EVERYTHING, OF_A_DOCUMENT) == []
    # As the theme's switch in the admin leaves it.
    await console.page.evaluate("localStorage.setItem('adminTheme', '\"light\"')")
    await open_documentation(console, path)
    assert await console.page.evaluate(LIGHTNESS) > HALF_LIGHT
    assert await violations(console, EVERYTHING, OF_A_DOCUMENT) == []


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_documentation__light_on_a_dark_system__is_so_from_its_first_frame(log_in: Open, path: str) -> None:
    console = await log_in("viewer", scheme="dark")
    await console.page.add_init_script(f"""localStorage.setItem("adminTheme", '"light"'); {FIRST_FRAME}""")
    await open_documentation(console, path)
    assert await console.page.evaluate("window.first") == "light"


async def open_documentation(console: Console, path: str) -> None:
    """Go there, and wait until it has read the document and shown it."""
    await console.open(path)
    title = console.page.get_by_role("heading", name="Real-time strategies: configuration")
    await expect(title).to_be_visible(timeout=30_000)
    await console.page.wait_for_load_state("networkidle")


async def test_person__on_a_phone__is_named_beside_what_can_be_done(log_in: Open) -> None:
    console = await log_in("admin", width=390)
    await console.open("/admin/auth/user/1/change/")
    name = console.page.locator("h1 :last-child")
    middles = []
    for part in (name, console.page.get_by_text("more_horiz"), console.page.get_by_title("Add user")):
        assert (box := await part.bounding_box())
        middles.append(box["y"] + box["height"] / 2)
    assert max(middles) - min(middles) <= 2
    assert await name.evaluate("each => each.scrollWidth <= each.clientWidth"), "the name is cut off"


async def test_lists__on_a_phone__can_be_hit_by_a_finger(log_in: Open) -> None:
    console = await log_in("trader", width=390)
    small: list[str] = []
    for path in (*PAGES["across"], "/admin/", "/admin/market/"):
        await console.open(path)
        small += [f"{path}: {each}" for each in await console.page.evaluate(TOO_SMALL)]
    assert small == []


async def test_filter__on_a_phone__is_folded_and_names_what_is_chosen(log_in: Open) -> None:
    console = await log_in("viewer", width=390)
    await console.open("/admin/history/?strategy=orderbook_skew&symbol=global")
    await expect(console.page.locator("#content summary")).to_have_text("Filter: orderbook_skew · global")
    await expect(console.page.get_by_label("Strategy")).to_be_hidden()
    await console.page.locator("#content summary").press("Enter")
    await expect(console.page.get_by_label("Strategy")).to_have_value("orderbook_skew")


async def test_filters__of_people__open_and_close_by_keyboard(log_in: Open) -> None:
    console = await log_in("admin")
    await console.open("/admin/auth/user/")
    filters = console.page.locator("#changelist-filter")
    opener = console.page.get_by_role("button", name="Filters")
    await opener.press("Enter")
    await expect(filters.get_by_role("link").first).to_be_focused()
    await console.page.keyboard.press("Escape")
    await expect(filters).to_be_hidden()
    await expect(opener).to_be_focused()

    await opener.press("Enter")
    await expect(filters.get_by_role("link").first).to_be_focused()
    # Over what scrolls in it, which takes the focus, too.
    for _ in range(2):
        await expect(filters).to_be_visible()
        await console.page.keyboard.press("Shift+Tab")
    await expect(filters).to_be_hidden()


async def test_page__from_a_viewer__shows_no_way_to_change_and_refuses_by_url(log_in: Open) -> None:
    console = await log_in("viewer")
    console.refusals.add(403)
    await console.open("/admin/strategies/orderbook_skew/")
    assert await console.page.locator("main button").count() == 0
    assert await console.page.locator("a[href*=switch]").count() == 0
    assert await console.page.locator("#p-buy_threshold").is_disabled()
    for path in ("/admin/switch-all/", "/admin/strategies/orderbook_skew/switch/", "/admin/auth/user/"):
        assert await console.open(path) == 403, path
