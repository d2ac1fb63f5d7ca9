import pytest

from hybrid_mcp.addresses import shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://user:MARKED@one:1/v1", "http://…@one:1/v1"),
        ("https://MARKED@one", "https://…@one"),
        ("http://user:M#A/R@K?ED@one/v1", "http://…@one/v1"),
        ("user:MARKED@one", "…@one"),
        ("http://one:1/v1", "http://one:1/v1"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, told: str) -> None:
    assert shown(url) == told
