"""The library: what the command line says, as frames, arrays and figures."""

import importlib
import inspect
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import vpharness as vp
from tests.commands.test_cli import in_process
from vpharness.errors import ConfigError, DatasetError, VpharnessError

PAGE = Path(__file__).resolve().parents[2] / "vpharness" / "docs" / "how-to" / "use-from-python.md"
EVALUATION = {"max_hold_bins": 20, "tp_ticks": 1, "sl_ticks": 1}
WORDS = ["source.minutes=4", "eval.max_hold_bins=20", "eval.tp_ticks=1", "eval.sl_ticks=1", "split=none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lake has a run of ads at two thresholds, and one of msd, from the command line."""
    folder = tmp_path_factory.mktemp("library")
    for words in (["signal=ads", "signal.thresholds=[0.1,0.3]"], ["signal=msd", "signal.thresholds=[10]"]):
        said = in_process(folder, *words, *WORDS, "tracking=none")
        assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests run in that folder: `lake` and `outputs` are the defaults."""
    monkeypatch.delenv("VPHARNESS_LAKE", raising=False)
    monkeypatch.chdir(folder)


def told(folder: Path, *words: str) -> Any:
    """Return what a command says as JSON."""
    said = in_process(folder, *words, "json=true")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def plain(value: Any) -> Any:
    """Return a value of a frame as JSON has it."""
    if isinstance(value, np.ndarray | list):
        return [plain(each) for each in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def test_importing_it_imports_nothing_else() -> None:
    """No compiler, no pandas: what a name needs comes with its first use."""
    heavy = ("jax", "numpy", "pandas", "pyarrow", "hydra", "matplotlib", "mlflow", "vpharness.api")
    code = f"import sys, vpharness; print([name for name in {heavy} if name in sys.modules], dir(vpharness))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # ours
    assert said.stdout.startswith("[] [")
    assert "'results'" in said.stdout


def test_names_that_are_packages_too_can_be_called_and_imported_from() -> None:
    """`vp.results()` asks the ledger; `vpharness.results.store` is a module as ever."""
    store = importlib.import_module("vpharness.results.store")
    package: Any = vp.results
    assert package.store is store
    assert callable(vp.results)
    assert callable(vp.datasets)
    assert list(inspect.signature(vp.results).parameters)[:2] == ["signal", "dataset"]
    told_by_help = pydoc.render_doc(vp.results, renderer=pydoc.plaintext)  # type: ignore[attr-defined]  # not in its stubs
    assert "results(*, signal: str | None = None, dataset:" in told_by_help
    assert "Return the candidates of the ledger, the best first" in told_by_help
    assert [name for name in dir(vp) if not name.startswith("__")] == vp.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'; it offers CollectionTables, DatasetTables"):
        vp.nothing  # noqa: B018  # what is tested


def test_results_are_what_compare_says(folder: Path) -> None:
    """Row by row in its order; parameters and evaluation are columns, and no text holds JSON."""
    rows = told(folder, "compare", "min_signals=0")
    frame = vp.results(min_signals=0)
    assert len(frame) == len(rows) == 3
    for row, (_, found) in zip(rows, frame.iterrows(), strict=True):
        assert {name: plain(found[name]) for name in row} == row
        assert not any(isinstance(value, str) and value.startswith(("{", "[")) for value in row.values())
    assert set(frame["eval.tp_ticks"]) == {1.0}
    assert frame.set_index("signal")["signal.blend_scale"].isna().to_dict()["msd"]


def test_results_are_chosen_as_compare_chooses_them(folder: Path) -> None:
    """By signal, by the number of rows, by dataset; what is unknown is refused in the same words."""
    assert list(vp.results(signal="ads", min_signals=0, top=1)["candidate_id"]) == [
        told(folder, "compare", "signal=ads", "min_signals=0", "top=1")[0]["candidate_id"]
    ]
    said = in_process(folder, "compare", "signal=nothing")
    with pytest.raises(ConfigError) as caught:
        vp.results(signal="nothing")
    assert said.stderr == f"vpharness: {caught.value}\n"
    with pytest.raises(ConfigError, match=r"\bby\b.*dataset"):
        vp.results(by="week")


def test_a_parquet_file_of_compare_is_as_tidy(folder: Path) -> None:
    """It is the same frame."""
    told(folder, "compare", "min_signals=0", "parquet=found.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "found.parquet"), vp.results(min_signals=0))


def test_an_empty_lake_has_no_results_no_fires_and_no_datasets(tmp_path: Path) -> None:
    """Empty frames rather than errors."""
    results, fires = vp.results(lake=tmp_path), vp.fires(lake=tmp_path)
    assert results.empty
    assert fires.empty
    assert {"candidate_id", "signal", "p_adjusted", "net_pnl_ticks", "winner"} <= set(results.columns)
    assert {"candidate_id", "bin", "direction", "net_pnl_ticks"} <= set(fires.columns)
    assert vp.datasets(lake=tmp_path).empty


def test_fires_are_rows_whose_mean_is_the_candidate_s() -> None:
    """With bin, time, direction, parameters and evaluation."""
    candidates: Any = vp.results(signal="ads", min_signals=0).set_index("candidate_id")
    fires = vp.fires(signal="ads")
    for candidate_id, own in fires.groupby("candidate_id"):
        assert len(own) == candidates.loc[candidate_id, "n_fires"]
        judged = own["net_pnl_ticks"].dropna()
        assert len(judged) == candidates.loc[candidate_id, "n_net"]
        assert judged.mean() == pytest.approx(candidates.loc[candidate_id, "net_pnl_ticks"])
    assert set(fires["direction"]) <= {-1, 1}
    assert set(fires["eval.tp_ticks"]) == {1.0}
    first = fires.iloc[0]
    assert first["time"] == vp.dataset(first["dataset_id"]).bins.index[first["bin"]]
    assert len(vp.fires(candidate=first["candidate_id"][:8])) < len(fires)
    assert set(vp.fires(run=first["run_id"])["run_id"]) == {first["run_id"]}


def test_datasets_and_their_tables_are_those_of_the_lake(folder: Path) -> None:
    """Bins as a frame under their times, a column as an array of bins by cells."""
    (listed,) = told(folder, "list-datasets")["datasets"]
    (row,) = vp.datasets().to_dict("records")
    assert row["dataset_id"] == listed["dataset_id"]
    assert row["lattice.radius"] == listed["lattice"]["radius"]
    assert row["problem"] is None
    data = vp.dataset(listed["dataset_id"])
    table = pd.read_parquet(Path(listed["path"]) / "bins.parquet")
    np.testing.assert_array_equal(data.bins["mid_price"], table["mid_price"])
    assert data.bins.index[0] == row["start"]
    grid = pd.read_parquet(Path(listed["path"]) / "grid_clean.parquet", columns=["k", "v_add"])
    column = data.column("v_add")
    assert column.shape == (data.manifest.bins, data.manifest.cells)
    np.testing.assert_array_equal(column.ravel(), grid["v_add"])
    assert data.ticks.tolist() == grid["k"][: data.manifest.cells].tolist()
    with pytest.raises(DatasetError, match="has no column nothing"):
        data.column("nothing")
    with pytest.raises(DatasetError, match="no dataset nothing"):
        vp.dataset("nothing")


def test_a_run_is_the_command_line_s(folder: Path) -> None:
    """The same id, found in the store; another one is carried out, and is there for the command line."""
    known = vp.run("ads", source={"minutes": 4}, eval=EVALUATION, split="none", parameters={"thresholds": [0.1, 0.3]})
    assert set(known.candidates["candidate_id"]) == set(vp.results(signal="ads", min_signals=0)["candidate_id"])
    new = vp.run(
        "ads",
        known.dataset_id,
        eval=EVALUATION,
        split="none",
        parameters={"thresholds": (0.2,)},
        tracking="none",
        save_series=False,
    )
    assert new.run_id != known.run_id
    assert (folder / new.folder / "run_card.json").exists()
    said = in_process(folder, "signal=ads", "signal.thresholds=[0.2]", *WORDS, "tracking=none", "save_series=false")
    assert f"run {new.run_id} is in the store already" in said.stderr


def test_messages_name_datasets_as_the_library_s_arguments_do(folder: Path) -> None:
    """And not as the command line's keys; commands that are advised are those of the command line."""
    known = vp.datasets()["dataset_id"].iloc[0]
    with pytest.raises(ConfigError, match=f'^dataset="{known}" is built already, so source.minutes would'):
        vp.run("ads", known, source={"minutes": 3})
    with pytest.raises(ConfigError, match=r"^no dataset m9; build it: .* source\.minutes=3 dataset\.id=m9"):
        vp.run("ads", "m9", source={"minutes": 3})
    with pytest.raises(ConfigError, match=r'expected the name of a dataset, as dataset="mine"'):
        vp.run("ads", {"id": known})  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigError, match=r'^dataset="nix"; there are results on '):
        vp.results(dataset="nix")


def test_scores_are_those_that_a_run_keeps(folder: Path) -> None:
    """By the signal's name or by the signal itself, at any parameters."""
    from vpharness.signals.ads import ads  # noqa: PLC0415  # compiles, which other tests need not wait for

    (dataset_id,) = vp.datasets()["dataset_id"]
    scores = vp.score("ads", dataset_id)
    fires = vp.fires(signal="ads")
    fires = fires[fires["threshold"] == "0.3"]
    at = scores[fires["bin"]]
    assert (np.abs(at) >= 0.3).all()
    assert (np.sign(at) == fires["direction"]).all()
    np.testing.assert_array_equal(scores, vp.score(ads, dataset_id))
    assert not np.array_equal(scores, vp.score(ads, dataset_id, blend_scale=2.0), equal_nan=True)
    with pytest.raises(ConfigError, match="signal ads has no parameter colour; it has thresholds"):
        vp.score(ads, dataset_id, colour="red")


def test_a_configuration_is_composed_as_on_the_command_line() -> None:
    """With its defaults and types; what is wrong is said in one sentence."""
    config = vp.compose(["signal=ads", "eval.tp_ticks=6"])
    assert config.eval.tp_ticks == 6.0
    assert config.eval.sl_ticks == 4.0
    for words, wrong in ((["eval.tp=6"], "tp"), (["signal=nothing"], "nothing"), (["eval.tp_ticks=far"], "far")):
        with pytest.raises(VpharnessError) as caught:
            vp.compose(words)
        assert wrong in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="command is 'walk'; there are run"):
        vp.compose(command="walk")


OWN_SIGNAL = """
from jax import Array

from vpharness.signals import Clock, Grid, SignalParameters, signal


@signal(columns=("bid_depth",))
def depth_here(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    return time.rate(grid.bid_depth.sum(-1))
"""


def test_ones_own_yaml_files_are_found_in_the_folder_that_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the one call, as `--config-dir` does for a command."""
    monkeypatch.syspath_prepend(folder)
    (folder / "depth_here.py").write_text(OWN_SIGNAL, encoding="utf-8")
    own = folder / "my_conf"
    (own / "signal").mkdir(parents=True)
    (own / "signal" / "depth_here.yaml").write_text("_target_: depth_here.depth_here\n", encoding="utf-8")
    assert vp.compose(["signal=depth_here"], config_dir="my_conf").signal._target_ == "depth_here.depth_here"
    found = vp.run(
        "depth_here",
        lake="own_lake",
        config_dir=own,
        parameters={"thresholds": [0.1]},
        source={"minutes": 1},
        eval={**EVALUATION, "warmup_bins": 50},
        split="none",
        tracking="none",
    )
    assert list(found.candidates["signal"]) == ["depth_here"]
    with pytest.raises(ConfigError, match="signal has no choice 'depth_here'"):
        vp.compose(["signal=depth_here"])
    with pytest.raises(ConfigError, match=r"^config_dir is 'nowhere', which is not a folder"):
        vp.compose(config_dir="nowhere")


def test_plots_are_figures() -> None:
    """Of scores, of a candidate's fires, and of thresholds where anything is ranked."""
    (dataset_id,) = vp.datasets()["dataset_id"]
    data, scores = vp.dataset(dataset_id), vp.score("ads", dataset_id)
    figure = vp.plot_scores(scores, data, threshold=0.3)
    assert isinstance(figure, Figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["mid price", "score"]
    with pytest.raises(ConfigError, match=r"scores have the shape \(3,\)"):
        vp.plot_scores(scores[:3], data)
    candidates = vp.results(signal="ads", min_signals=0)
    equity = vp.plot_equity(candidates.iloc[0])
    assert [axes.get_ylabel() for axes in equity.axes] == ["mid price", "net, ticks, summed"]
    with pytest.raises(ConfigError, match="candidate is 'zzz'; no candidate of the ledger begins so"):
        vp.plot_equity("zzz")


def test_the_page_on_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its blocks one after the other, as a notebook's cells."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 10
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    for number, block in enumerate(blocks):
        *statements, last = block.rstrip().split("\n")
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), vars(page))  # noqa: S102  # ours
        if " == " in last and not last.startswith((" ", "#")):
            assert eval(last, vars(page)), f"{last} in block {number} of {statements}"  # noqa: S307  # ours
    assert "no dataset no_such_dataset" in capsys.readouterr().out


@pytest.mark.parametrize("names", [{"signal": "none"}, {"dataset": "none"}, {"campaign": "none"}, {"candidate": "zz"},
                                   {"run": "zz"}])  # fmt: skip
def test_fires_of_what_the_ledger_does_not_know_are_refused(tmp_path: Path, names: dict[str, str]) -> None:
    """A misspelt name gives an error, as in `results`, and no empty frame."""
    with pytest.raises(ConfigError, match=r"none|zz"):
        vp.fires(lake=tmp_path, **names)


def test_test_parts_are_opened_for_a_number_of_candidates_that_is_given(tmp_path: Path) -> None:
    """An opening counts for good: a whole ledger is not opened by leaving an argument out."""
    with pytest.raises(ConfigError, match="top=N"):
        vp.results(lake=tmp_path, show_test=True)


def test_a_collection_has_its_sessions_as_a_frame_and_its_datasets(tmp_path: Path) -> None:
    """Of any version; those of the lake are a row each, and one that is damaged has its reason."""
    words = ["build", "source.minutes=1", "lattice.radius=3", "collection.id=SIM"]
    for start_ns in (10**18, 10**18 + 10**15):
        assert in_process(tmp_path, *words, f"source.start_ns={start_ns}").returncode == 0
    lake = tmp_path / "lake"
    found = vp.collection("SIM", lake=lake)
    assert (found.id, found.version, found.latest) == ("SIM", 2, 2)
    assert list(found.sessions.columns) == ["dataset_id", "instrument", "start", "end", "added"]
    assert list(found.sessions["dataset_id"]) == [each.id for each in found.datasets]
    assert (found.sessions["end"] - found.sessions["start"]).dt.total_seconds().round().tolist() == [60, 60]
    assert len(vp.collection("SIM@1", lake=lake).datasets) == 1
    assert repr(found).startswith("collection SIM@2: 2 sessions of SYN, ")
    (row,) = vp.collections(lake=lake).to_dict("records")
    assert (row["collection"], row["sessions"], row["problem"]) == ("SIM", 2, None)
    version = lake / "research" / "collections" / "SIM" / "000002.json"
    version.unlink()
    version.write_text("{}", encoding="utf-8")
    (row,) = vp.collections(lake=lake).to_dict("records")
    assert "000002.json cannot be read" in row["problem"]
    assert vp.collections(lake=tmp_path / "none").empty
    with pytest.raises(DatasetError, match="no collection SAM in the lake"):
        vp.collection("SAM", lake=lake)
