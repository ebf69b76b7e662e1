import shutil

import pytest

from shop.cli import main
from shop.payments import DECLINED_CARD


@pytest.fixture(autouse=True)
def own_database(database_path, tmp_path, monkeypatch):
    """The commands commit what they do, so each test gets a copy of the database."""
    path = shutil.copy(database_path, tmp_path / "shop.sqlite")
    monkeypatch.setenv("SHOP_DB", str(path))


def test_init_and_products(capsys, tmp_path):
    options = ["--db", str(tmp_path / "new.sqlite")]

    assert main([*options, "init"]) == 0
    assert capsys.readouterr().out.startswith("4 products in ")

    assert main([*options, "products"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.split() == ["mug", "Enamel", "mug", "12.50", "EUR", "20"]
    assert len(others) == 3


def test_quote(capsys):
    assert main(["quote", "mug=2", "sticker", "--coupon", "WELCOME10"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "subtotal     25.85 EUR",
        "saving       -2.59 EUR",
        "shipping      4.90 EUR",
        "total        28.16 EUR",
    ]


@pytest.mark.network
def test_buy(capsys):
    assert main(["buy", "mug=4", "--email", "ada@example.org"]) == 0
    assert capsys.readouterr().out == "order 1 is paid: 50.00 EUR\n"

    assert main(["orders"]) == 0
    assert capsys.readouterr().out.split() == ["1", "2024-03-01", "paid", "50.00", "EUR"]


@pytest.mark.network
def test_buy_with_a_declined_card(capsys):
    assert main(["buy", "mug", "--email", "ada@example.org", "--card", DECLINED_CARD]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "shop: payment declined: insufficient funds\n"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        pytest.param(["teapot"], "no such product: teapot", id="unknown-product"),
        pytest.param(["mug=many"], "not a quantity: 'many'", id="not-a-number"),
    ],
)
def test_mistakes_are_explained(capsys, items, message):
    assert main(["quote", *items]) == 1
    assert capsys.readouterr().err == f"shop: {message}\n"


def test_usage(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["buy"])

    assert exit_info.value.code == 2
    assert "--email" in capsys.readouterr().err
