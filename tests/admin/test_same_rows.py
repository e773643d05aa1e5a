"""Whatever is changed in the admin leaves the rows that the same change leaves over the API, but for the channel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.forms.models import model_to_dict
from django.test import Client
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.history import audit_rows, chain
from strategy_config.models import ChangeSequence, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.models.layers import Layer
from tests.admin.test_layer_pages import Login, opened
from tests.admin.test_pages import upload
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
API = f"/api/v1/strategies/{SKEW}"
PAGE = f"/admin/strategies/{SKEW}"
WHY = "calm market\nuntil noon: größer"
UNTIL = "2099-01-31T12:00"
# What cannot be the same twice, the channel, and whether several changes were one.
DIFFERENT = {"id", "hash", "previous_hash", "request_id", "changed_at", "salts", "channel", "set_id"}
Step = tuple[Literal["post", "patch", "delete"], str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class UseCase:
    """The same change, as the form is sent and as the API is asked: paths and members, without who and why."""

    path: str
    fields: dict[str, Any]
    calls: tuple[Step, ...]
    is_form: bool = False


def bulk(action: str) -> dict[str, Any]:
    return {"action": action, "key": [f"{SKEW}:{BTC}", f"{SKEW}:ETHUSDT"], "confirm": "1"}


OWN = {"top_levels": 7, "buy_threshold": 1.3}
CASES = {
    "set": UseCase(f"{PAGE}/", {"p-top_levels": "9"}, (("patch", "/config", {"parameters": {"top_levels": 9}}),), True),
    "set on a symbol": UseCase(
        f"{PAGE}/symbols/SOLUSDT/",
        {"p-top_levels": "9"},
        (("patch", "/config/SOLUSDT", {"parameters": {"top_levels": 9}}),),
        True,
    ),
    "set until": UseCase(
        f"{PAGE}/symbols/{BTC}/",
        {"p-top_levels": "9", "p-expires_at": UNTIL},
        (("patch", f"/config/{BTC}", {"parameters": {"top_levels": 9}, "expires_at": f"{UNTIL}:00Z"}),),
        True,
    ),
    "drop a value": UseCase(
        f"{PAGE}/symbols/{BTC}/",
        {"p-top_levels": ""},
        (("patch", f"/config/{BTC}", {"parameters": {"top_levels": None}}),),
        True,
    ),
    "disable": UseCase(f"{PAGE}/switch/", {"to": "off"}, (("post", "/disable", {}),)),
    "disable a symbol": UseCase(
        f"{PAGE}/symbols/{BTC}/switch/", {"to": "off"}, (("post", f"/disable?symbol={BTC}", {}),)
    ),
    "enable": UseCase(f"{PAGE}/switch/", {"to": "on"}, (("post", "/enable", {}),)),
    "roll back": UseCase(
        f"{PAGE}/symbols/{BTC}/rollback/", {"version": 1}, (("post", f"/rollback?symbol={BTC}", {"target_version": 1}),)
    ),
    "copy": UseCase(
        f"{PAGE}/symbols/{BTC}/copy/",
        {"symbols": "ETHUSDT, SOLUSDT"},
        tuple(("put", f"/config/{symbol}", {"parameters": OWN}) for symbol in ("ETHUSDT", "SOLUSDT")),
    ),
    "bulk disable": UseCase(
        "/admin/overrides/bulk/",
        bulk("disable"),
        tuple(("post", f"/disable?symbol={symbol}", {}) for symbol in (BTC, "ETHUSDT")),
    ),
    "bulk enable": UseCase(
        "/admin/overrides/bulk/",
        {**bulk("enable"), "key": [f"{SKEW}:ADAUSDT"]},
        (("post", "/enable?symbol=ADAUSDT", {}),),
    ),
    "bulk delete": UseCase(
        "/admin/overrides/bulk/",
        bulk("delete"),
        tuple(("delete", f"/config/{symbol}", {}) for symbol in (BTC, "ETHUSDT")),
    ),
}


def prepare() -> None:
    """The same beginning for both: some layers with two versions, and a symbol that is off."""
    write(symbol=None, parameters={"sell_threshold": 0.7})
    for symbol in (BTC, "ETHUSDT"):
        write(symbol=symbol, parameters={"top_levels": 8})
        write(symbol=symbol, parameters=OWN)
    write("switch", symbol="ADAUSDT", enabled=False)


def forget() -> None:
    """Back to an empty store, behind the backs of the models that would refuse."""
    QuerySet(ConfigAudit).delete()
    SymbolOverride.objects.all().delete()
    for row in StrategyConfig.objects.all():
        StrategyConfig(pk=row.pk, strategy_id=row.strategy_id).save(force_update=True)
    ChangeSequence.objects.update(value=0, position=0, head_hash=chain.GENESIS, position_hash=chain.GENESIS)


def left_by(change: Callable[[], None]) -> tuple[list[ConfigAudit], list[dict[str, Any]]]:
    """The rows of history that the change adds to the beginning, and all layers after it without their instants."""
    forget()
    prepare()
    before = ConfigAudit.objects.count()
    change()
    rows: list[Layer] = [*StrategyConfig.objects.all(), *SymbolOverride.objects.all()]
    live = [model_to_dict(row, exclude=["id", "created_at", "updated_at"]) for row in rows]
    return list(ConfigAudit.objects.filter(sequence__gt=before).order_by("sequence")), live


def compared(row: ConfigAudit) -> dict[str, Any]:
    return {name: value for name, value in audit_rows.as_json(row).items() if name not in DIFFERENT}


def by_admin(client: Client, case: UseCase) -> None:
    form: dict[str, Any] = {**opened(client, case.path), "step": "save"} if case.is_form else {}
    if case.path.endswith("rollback/"):
        form["base"] = client.get(f"{case.path}?version=1").context["base"]
    answer = client.post(case.path, {**form, **case.fields, "reason": WHY.replace("\n", "\r\n")})
    assert answer.status_code == 302, answer.content.decode()


def by_api(token: str, calls: tuple[Step, ...], root: str = API) -> None:
    for method, path, members in calls:
        said = {"changed_by": "operator", "reason": WHY}
        client, url = Client(headers={"Authorization": f"Bearer {token}"}), f"{root}{path}"
        if method == "delete":
            answer = client.delete(url, query_params=said)
        else:
            answer = getattr(client, method)(url, {**members, **said}, content_type="application/json")
        assert answer.status_code == 200, answer.content.decode()
        assert answer.json()["success"], answer.json()


def assert_same(of_admin: Any, of_api: Any, channel: str = "admin") -> None:
    (ours, our_layers), (theirs, their_layers) = of_admin, of_api
    assert list(map(compared, ours)) == list(map(compared, theirs))
    assert our_layers == their_layers
    assert ours
    assert {row.channel for row in ours} == {channel}
    assert {row.channel for row in theirs} == {"api"}
    assert all(len(row.request_id) == 32 for row in (*ours, *theirs))
    assert all(abs((a.changed_at - b.changed_at).total_seconds()) < 60 for a, b in zip(ours, theirs, strict=True))


@pytest.fixture
def operator(login: Login) -> tuple[Client, str]:
    """A client that is logged in, and a token of the same user."""
    client = login("operator")
    user = User.objects.get(username="operator")
    return client, tokens.issue_token(user=user, name="t", days=1, at=timezone.now())[1]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_use_case__by_admin_and_by_api__leaves_the_same_rows(operator: tuple[Client, str], case: UseCase) -> None:
    client, token = operator
    assert_same(left_by(lambda: by_admin(client, case)), left_by(lambda: by_api(token, case.calls)))


def test_import__and_by_api__leaves_the_same_rows(operator: tuple[Client, str]) -> None:
    client, token = operator
    symbols = f"{{{BTC}: {{parameters: {{top_levels: 4}}}}, ETHUSDT: {{enabled: false}}}}"
    text = f"strategies: {{{SKEW}: {{symbols: {symbols}}}}}"

    def by_file() -> None:
        plan = upload(client, text).context["plan"]
        answer = client.post("/admin/transfer/apply/", {"fingerprint": plan.fingerprint, "reason": WHY})
        assert answer.status_code == 302

    calls: tuple[Step, ...] = (
        ("put", f"/config/{BTC}", {"parameters": {"top_levels": 4}}),
        ("post", "/disable?symbol=ETHUSDT", {}),
    )
    assert_same(left_by(by_file), left_by(lambda: by_api(token, calls)), "import")
