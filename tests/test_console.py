"""What people see of long work where no bar can be drawn."""

import pytest

from samcli import console


def test_a_line_now_and_then_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", -1)
    with console.progress("pictures", 1200, 200) as advance:
        advance(500)
    assert "pictures: 700 of 1,200  0 min left" in capsys.readouterr().err
    with console.progress("pictures", 1200, lines=False) as advance:
        advance(500)
    assert capsys.readouterr().err == ""
