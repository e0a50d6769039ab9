"""Overrides that are refused as they are written, before anything is composed."""

from pathlib import Path

import pytest

from vpharness.api import compose
from vpharness.commands.cli import main
from vpharness.config.malformed_overrides import refuse_malformed
from vpharness.config.search_path import OWN_FOLDER_VARIABLE
from vpharness.errors import ConfigError


@pytest.mark.parametrize("override", ["~signal", "~dataset", "~eval=ticks", "~feed"])
def test_a_group_that_commands_need_cannot_be_left_out(override: str) -> None:
    """It is named in one line before anything is composed; single keys and other groups are for Hydra to judge."""
    refuse_malformed(["~eval.tp_ticks", "~tracking", "signal=ads"], "run")
    with pytest.raises(ConfigError, match=f"^{override}: [a-z]+ cannot be left out; leave {override} away$"):
        refuse_malformed(["lake=x", override], "run")


@pytest.mark.parametrize(
    ("words", "group"),
    [
        (["plan", "signal=ads", "~tracking"], "tracking"),
        (["promote", "history", "~tracking"], "tracking"),
        (["build", "~session"], "session"),
        (["build", "~collection"], "collection"),
    ],
)
def test_whatever_else_a_command_needs_cannot_be_left_out_either(
    words: list[str], group: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named in one line, and nothing is written."""
    assert main([*words, f"lake={tmp_path / 'lake'}"]) == 2
    said = capsys.readouterr().err
    assert f"{group} cannot be left out; leave ~{group} away" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["signal="], "signal= names nothing to choose; write signal=NAME, such as signal=ads (--help lists them)"),
        (["+signal="], "signal= names nothing to choose; write signal=NAME, such as signal=ads (--help lists them)"),
        (["+signal=ads"], "+signal=ads: signal is a group of this command already; write signal=ads, without +"),
        (["++eval=default"], "++eval=default: eval is a group of this command already; write eval=default, without +"),
        (["eval=5"], "eval is 5; expected the name of a choice, such as eval=default (--help lists them)"),
        (["dataset="], "dataset= names no dataset; write dataset.id=ID (python -m vpharness list-datasets)"),
        (
            ["dataset=20240311"],
            "dataset=20240311 names no dataset; write dataset.id=20240311 (python -m vpharness list-datasets)",
        ),
        (["dataset=''"], "dataset='' names no dataset; write dataset.id=ID (python -m vpharness list-datasets)"),
        (["signal=1e5"], "signal is 1e5; expected the name of a choice, such as signal=ads (--help lists them)"),
        (["signal=nan"], "signal is nan; expected the name of a choice, such as signal=ads (--help lists them)"),
        (["signal=-1_0"], "signal is -1_0; expected the name of a choice, such as signal=ads (--help lists them)"),
        (["signal=ads,5"], "signal is ads,5; expected the name of a choice, such as signal=ads (--help lists them)"),
        (
            ["signal=range(1,3)"],
            "signal is range(1,3); expected the name of a choice, such as signal=ads (--help lists them)",
        ),
        (
            ["tracking=null"],
            (
                "tracking is null; expected the name of a choice, such as tracking=mlflow (--help lists them), or "
                "leave tracking=null away"
            ),
        ),
        (
            ["experiment=[2024]"],
            (
                "experiment is [2024]; expected the name of a choice, such as experiment=smoke_perm_derivative "
                "(--help lists them)"
            ),
        ),
        (
            ["hydra/job_logging=null"],
            (
                "hydra/job_logging is null; expected the name of a choice, such as hydra/job_logging=NAME "
                "(--help lists them), or leave hydra/job_logging=null away"
            ),
        ),
        (
            ["signal@signal=null"],
            (
                "signal@signal=null leaves signal@signal out, which the command needs; write "
                "signal@signal=perm_derivative, or leave signal@signal=null away"
            ),
        ),
        (
            ["tracking=[]"],
            "tracking=[] names nothing to choose; write tracking=NAME, such as tracking=mlflow (--help lists them)",
        ),
        (["promotion=null"], "promotion is not a key here; leave promotion=null away"),
        (["=3"], "=3 has no key; KEY=VALUE is expected"),
        (["+=3"], "+=3 has no key; KEY=VALUE is expected"),
        (
            ["signal=[ads, erd]"],
            (
                "signal=[ads, erd] is a list, and one name is expected; for a run of each: "
                "python -m vpharness -m signal=ads,erd"
            ),
        ),
        (
            ["signal=null"],
            (
                "signal=null leaves signal out, which the command needs; write signal=perm_derivative, or leave "
                "signal=null away"
            ),
        ),
        (["signal=ads,,erd"], "signal=ads,,erd has a comma with no value beside it; write signal=ads,erd"),
        (["eval.tp_ticks=6,"], "eval.tp_ticks=6, has a comma with no value beside it; write eval.tp_ticks=6"),
        (["dataset.id=''"], "dataset.id= has no value; give one, or leave dataset.id= away"),
        (["dataset.id="], "dataset.id= has no value; give one, or leave dataset.id= away"),
        (["of_signal="], "signal= has no value; give one, or leave signal= away"),
        (
            ["tracking=none", "tracking=none"],
            "tracking is given twice: tracking=none and tracking=none; give it once",
        ),
        (
            ["eval.tp_ticks=6", "lake=x", "eval.tp_ticks=8", "+eval.tp_ticks=9"],
            "eval.tp_ticks is given 3 times: eval.tp_ticks=6 and eval.tp_ticks=8 and eval.tp_ticks=9; give it once",
        ),
        (["seed=" + "1" * 300], "seed holds a number of 300 digits; give a smaller one"),
        (["signal=" + "1" * 5000], "signal holds a number of 5000 digits; give a smaller one"),
        (
            ["signal.thresholds=[0.1,-" + "1" * 300 + "]"],
            "signal.thresholds holds a number of 300 digits; give a smaller one",
        ),
    ],
)
def test_what_is_wrong_in_the_writing_is_one_line_with_what_to_write(overrides: list[str], error: str) -> None:
    """A line for each mistake, in the words that a user knows."""
    with pytest.raises(ConfigError) as refused:
        refuse_malformed(overrides, "run", shown={"of_signal": "signal"})
    assert str(refused.value) == error


def test_what_is_right_is_not_refused() -> None:
    """Values with commas of their own, groups that a command does not have yet, and texts that may be empty."""
    refuse_malformed(
        [
            "signal=ads",
            "eval.tp_ticks=6,8",
            "signal.thresholds=[0.1,0.2]",
            "source.path='a,,b'",
            "+experiment=smoke_perm_derivative",
            "lake_datasets=",
            "hydra.output_subdir=",
            "hydra.job.name=''",
            "lattice.name=a" + "1" * 300,
            "outputs=/tmp/" + "1" * 300,
            f"start='{'1' * 300}'",
            "--cfg",
            "~tracking",
        ],
        "run",
    )
    refuse_malformed(["signal=ads,erd", "tracking=none"], "run", multirun=True)


@pytest.mark.parametrize(
    "overrides",
    [
        ["signal={thresholds:[0.3]}"],
        ["signal=ads", "signal={thresholds:[0.3]}"],
        ["split={kind:none}"],
        ["dataset={id:abc}"],
        ["dataset={collection:abc}"],
        ["+eval={warmup_bins:3}"],
        ["tracking=[none]"],
        ["+experiment=[smoke_perm_derivative]"],
        ["experiment=[smoke_perm_derivative,tune_perm_derivative]"],
        ["experiment='smoke_perm_derivative'"],
        ["split='none'"],
    ],
)
def test_keys_in_braces_and_lists_of_choices_are_composed(overrides: list[str]) -> None:
    """Hydra merges a mapping into a group, and the choices of a list into one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_FOLDER_VARIABLE, raising=False)
        refuse_malformed(overrides, "run")
        config = compose(overrides)
    key, _, value = overrides[-1].lstrip("+").partition("=")
    if value.startswith("{"):
        name, given = value.strip("{}").split(":")
        assert str(config[key][name]) == given


@pytest.mark.parametrize("name", ["2024", "1e5", "true"])
def test_a_choice_whose_name_is_no_text_to_hydra_is_given_in_quotes(name: str, tmp_path: Path) -> None:
    """The shell takes one pair away, and Hydra the other; no such choice is named as an example."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / f"{name}.yaml").write_text("# @package _global_\nlake: elsewhere\n")
    with pytest.raises(ConfigError) as refused:
        compose([f"+experiment={name}"], config_dir=tmp_path)
    assert str(refused.value) == (
        f"+experiment={name} is no text to Hydra; for the choice of that name, write experiment=\"'{name}'\" in a shell"
    )
    with pytest.raises(ConfigError, match=r"experiment is 2023; .*, such as experiment=smoke_perm_derivative "):
        compose(["experiment=2023"], config_dir=tmp_path)
    assert compose([f"experiment='{name}'"], config_dir=tmp_path).lake == "elsewhere"


def test_several_datasets_are_named_as_they_were_written() -> None:
    """Where one is expected, and in Python as well, whose argument `dataset` takes one."""
    with pytest.raises(ConfigError) as refused:
        compose(["dataset.id=a,,b"])
    assert str(refused.value) == "dataset.id=a,,b has a comma with no value beside it; write dataset.id=a,b"


def test_all_mistakes_of_writing_come_in_one_line() -> None:
    """So that they are mended in one go."""
    with pytest.raises(ConfigError) as refused:
        refuse_malformed(["signal=", "lake=", "top=1", "top=2"], "run")
    assert str(refused.value).count("; ") == 5
    assert all(each in str(refused.value) for each in ("signal= names", "lake= has no value", "top is given twice"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ads"], "no command 'ads'; did you mean signal=ads? python -m vpharness --help lists them"),
        (["tracking=null"], "tracking is null; expected the name of a choice"),
        (["-m", "signal=1e5"], "signal is 1e5; expected the name of a choice"),
        (["=3"], "=3 has no key; KEY=VALUE is expected"),
        (["run", "ads"], "run does not accept 'ads'; expected KEY=VALUE; did you mean signal=ads?"),
        (["run", "signal:ads"], "run does not accept 'signal:ads'; expected KEY=VALUE; write signal=ads"),
        (["run", "signal=", "ads"], "expected KEY=VALUE; write it without spaces: signal=ads"),
        (["run", "signal", "=", "ads"], "expected KEY=VALUE; write it without spaces: signal=VALUE"),
        (
            ["run", "signal.thresholds=[0.2,", "0.3]"],
            "a list is written without spaces: signal.thresholds=[VALUE,VALUE]",
        ),
        (["run", "--signal=ads"], "there is no option --signal; write signal=ads, without hyphens"),
        (["--multirun=3"], "--multirun=3 has a value, and --multirun takes none"),
        (["compare", "signal="], "signal= has no value; give one, or leave signal= away"),
    ],
)
def test_words_that_are_no_overrides_say_what_to_write(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spaces, colons and hyphens, as other programs take them."""
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert error in told
    assert told.count("\n") == 1
