"""Charts: pictures where matplotlib is, and the numbers without it."""

import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

from handlers import charts
from handlers.charts import Chart, Series

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = ("$x^{$", "\\frac", "a\u202eb", "🦆" * 40, "名前", "_" * 300, "", "<!channel>")


def chart(*names: str, lying: bool = False) -> Chart:
    values = tuple(float(i) for i in range(len(names)))
    series = (Series(label="size", values=values), *(() if lying else (Series(label="sent", values=values),)))
    return Chart(
        title="$t$", unit="h", names=names, series=series, limit=2.0, limit_label="RPO", is_lying=lying, alt="x"
    )


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize("names", [(), ("vm01",), HOSTILE, tuple(f"vm{i}" for i in range(60))])
def test_a_chart_is_a_png_whatever_the_names_are(names: tuple[str, ...], lying: bool) -> None:
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        assert charts.png(chart(*names, lying=lying)).startswith(PNG)


@pytest.mark.parametrize("line", [(1.0, 2.0, 3.0), (None, 500.0, None), (None, None, None)])
def test_a_curve_over_the_bars_has_a_scale_of_its_own_and_may_have_gaps(line: tuple[float | None, ...]) -> None:
    pytest.importorskip("matplotlib")
    drawn = replace(chart("a", "b", "c"), limit=None, line=line, line_label="stored", line_unit="GiB stored")
    assert charts.png(drawn).startswith(PNG)


def test_without_matplotlib_everything_else_loads() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; import handlers, handlers.courier; print('ok')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "ok\n"


def test_matplotlib_is_not_loaded_before_somebody_asks_for_a_picture() -> None:
    code = "import sys, handlers, handlers.courier; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
