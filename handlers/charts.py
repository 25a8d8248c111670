"""Charts as PNG; the only module that imports matplotlib, which is optional (`pip install 'cloudy[charts]'`).

Without it the numbers are told all the same. Its Figure is used without pyplot, which keeps figures for ever and is for
one thread only. Source: matplotlib.org/stable/gallery/user_interfaces/web_application_server_sgskip.html.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from handlers.cards import one_line

_LABEL, _TITLE = 28, 80
_WIDTH, _HEIGHT, _DPI = 8.0, 4.5, 130
_COLOURS = ("#9db8d2", "#1f4e79")
_ALERT, _CURVE = "#b03a2e", "#b9770e"
# A name is no formula: with $ in it, it would be taken for one.
_STYLE: Any = {"text.parse_math": False, "text.usetex": False, "font.size": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of bars."""

    label: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars by name; all series have as many values as there are names."""

    title: str
    unit: str
    names: tuple[str, ...]
    series: tuple[Series, ...]
    limit: float | None = None  # a line across, what is beyond it stands out
    limit_label: str = ""
    line: tuple[float | None, ...] = ()  # a curve over the bars, by a scale of its own on the right; None: not known
    line_label: str = ""
    line_unit: str = ""
    is_lying: bool = False  # bars from left to right, for long names
    alt: str = ""  # what it shows, for who cannot see it


def is_there() -> bool:
    """Whether charts can be drawn here."""
    return find_spec("matplotlib") is not None


def png(chart: Chart) -> bytes:
    """Draw it. ImportError: matplotlib is not installed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        height = max(_HEIGHT, 0.24 * len(chart.names) + 1.2) if chart.is_lying else _HEIGHT
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        (_lying if chart.is_lying else _standing)(axes, chart)
        axes.set_title(_short(chart.title, _TITLE), loc="left")
        if not chart.names:
            axes.text(0.5, 0.5, "nothing yet", ha="center", transform=axes.transAxes)
        axes.spines[["top", "right"]].set_visible(False)
        if chart.line:
            _curve(axes, chart)
        elif len(chart.series) > 1 or chart.limit is not None:
            axes.legend(frameon=False)
        sink = BytesIO()
        figure.savefig(sink, format="png", metadata={"Description": chart.alt})
    return sink.getvalue()


def _standing(axes: Any, chart: Chart) -> None:
    places = range(len(chart.names))
    width = 0.8 / len(chart.series)
    for index, series in enumerate(chart.series):
        shifted = [place + (index - (len(chart.series) - 1) / 2) * width for place in places]
        axes.bar(shifted, series.values, width=width, label=series.label, color=_COLOURS[index % len(_COLOURS)])
    axes.set_ylabel(chart.unit)
    step = max(1, len(chart.names) // 10)
    axes.set_xticks(list(places)[::step], [_short(name) for name in chart.names][::step])


def _curve(axes: Any, chart: Chart) -> None:
    """What would dwarf the bars has a scale of its own; days that nobody knows of are passed over."""
    known = [(place, value) for place, value in enumerate(chart.line) if value is not None]
    right = axes.twinx()
    places, values = [place for place, _ in known], [value for _, value in known]
    right.plot(places, values, color=_CURVE, marker="o", markersize=3, label=chart.line_label)
    right.set_ylim(bottom=0)
    right.set_ylabel(chart.line_unit, color=_CURVE)
    right.spines["top"].set_visible(False)
    bars, curve = axes.get_legend_handles_labels(), right.get_legend_handles_labels()
    axes.figure.legend(bars[0] + curve[0], bars[1] + curve[1], loc="outside lower center", ncols=3, frameon=False)


def _lying(axes: Any, chart: Chart) -> None:
    series = chart.series[0]
    places = list(range(len(chart.names)))
    beyond = [chart.limit is not None and value > chart.limit for value in series.values]
    axes.barh(places, series.values, color=[_ALERT if late else _COLOURS[1] for late in beyond])
    axes.set_yticks(places, [_short(name) for name in chart.names])
    axes.invert_yaxis()
    axes.set_xlabel(chart.unit)
    if chart.limit is not None:
        axes.axvline(chart.limit, color=_ALERT, linestyle="--", label=chart.limit_label)


def _short(name: str, most: int = _LABEL) -> str:
    said = one_line(name)
    return said if len(said) <= most else said[: most - 1] + "…"
