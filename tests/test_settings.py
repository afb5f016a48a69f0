"""Settings: one declaration gives types, checks and messages to recipes and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.settings import StepSettings, declarations, from_mapping, problems_of, setting


@dataclass(frozen=True, kw_only=True)
class BakeSettings(StepSettings):
    flour: str = setting(help="Which flour.", input=True)
    minutes: int = setting(40, help="Time in the oven.", minimum=1, maximum=90)
    learning_rate: float | None = setting(None, help="How fast the baker learns.", minimum=0, above=True)
    crust: str = setting("thin", help="The crust.", choices=("thin", "thick"))
    toppings: tuple[str, ...] = setting((), help="What lies on it.")
    fan: bool = setting(False, help="Use the fan.")
    cooks: int = setting(1, help="How many hands.", result=False)

    def conflicts(self) -> list[str]:
        return ["--fan needs a thin crust"] if self.fan and self.crust == "thick" else []


def test_yaml_values_become_the_declared_types() -> None:
    settings = from_mapping(
        BakeSettings,
        # YAML 1.1 reads 1e-5 as a string, and hyphens are how keys are written.
        {"flour": "rye", "minutes": 50.0, "learning-rate": "1e-5", "toppings": ["a", "b,c"], "output": "out"},
    )
    assert settings.minutes == 50
    assert settings.learning_rate == 1e-5
    assert settings.toppings == ("a", "b", "c")
    assert settings.output == Path("out")


def test_every_mistake_is_reported_at_once_with_its_place_and_the_nearest_key() -> None:
    with pytest.raises(SettingsError) as caught:
        from_mapping(
            BakeSettings, {"minuts": 4, "crust": "thik", "cooks": "many", "toppings": [False]}, "bread.yaml: bake"
        )
    assert str(caught.value) == (
        "bread.yaml: bake: minuts: unknown key; did you mean 'minutes'?; "
        "bread.yaml: bake: crust: must be one of thin, thick, not 'thik'; did you mean 'thick'?; "
        "bread.yaml: bake: cooks: must be a whole number, not 'many'; "
        "bread.yaml: bake: toppings: must be text, not False; put it in quotes; "
        "bread.yaml: bake: flour: needs a value."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"minutes": 0}, "--minutes must be at least 1, not 0"),
        ({"minutes": 91}, "--minutes must be at most 90, not 91"),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0, not 0"),
        ({"fan": True, "crust": "thick"}, "--fan needs a thin crust"),
    ],
)
def test_settings_check_themselves(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        BakeSettings(flour="rye", **values)


def test_identity_leaves_out_inputs_and_what_cannot_change_the_result() -> None:
    a = BakeSettings(flour="rye", cooks=1, output=Path("a"))
    b = BakeSettings(flour="wheat", cooks=9, output=Path("b"), overwrite=True)
    assert a.identity() == b.identity()
    assert a.identity() != BakeSettings(flour="rye", minutes=41).identity()
    assert a.recorded()["flour"] == "rye"
    assert "output" not in a.recorded()


@given(
    st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers())))
)
def test_any_mapping_is_checked_without_an_exception(values: dict[str, object]) -> None:
    problems = problems_of(BakeSettings, values)
    assert all(isinstance(problem, str) for problem in problems)
    unknown = [key for key in values if key.replace("_", "-") not in _KEYS]
    assert len(problems) >= len(unknown)


_KEYS = {d.key for d in declarations(BakeSettings)}
