"""What is checked before a commit is what CI checks."""

from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]


def test_the_hooks_before_a_commit_run_the_checks_of_ci() -> None:
    """Style and types are checked by the same commands in both; CI runs the tests as well."""
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    before = [hook["entry"] for repository in hooks["repos"] for hook in repository["hooks"]]
    lines = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    in_ci = [line for line in lines if line.split(" ")[0] in {"ruff", "mypy"}]
    assert before == in_ci
    assert len(before) == 3
