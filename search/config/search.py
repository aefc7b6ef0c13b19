"""The configuration of a search: read from TOML, checked before anything is touched, and never changed."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypedDict, Unpack, get_args

import tomli_w
from pydantic import ConfigDict, Field, Tag, ValidationError, model_validator

from regsearch.data import MEMORY, Recording, Roles, Scale, is_example, is_path
from regsearch.data.refusal import short
from regsearch.errors import ConfigError, DataError
from regsearch.search.config.changes import changes
from regsearch.search.config.data import DataConfig
from regsearch.search.config.expectations import one_of
from regsearch.search.config.families import OF_RANGES, Families, Section, kind_of_strength
from regsearch.search.config.names import LONGEST, PATTERN, as_name, joined
from regsearch.search.config.null import NullConfig
from regsearch.search.config.problems import first_problem, nearest
from regsearch.search.config.schema import TomlSchema
from regsearch.search.config.split import FoldsConfig, SplitConfig, ranges
from regsearch.search.config.text import PRESETS, preset, read_text, require_shallow
from regsearch.search.penalty import Family


class AtMost(Section):
    """The best score among the models with few weights."""

    at_most: Annotated[int, Field(ge=1, strict=True, description="largest number of weights that are not zero")]


_NamedRule = Literal["best", "one-se", "one-se-paired"]
Rule = _NamedRule | AtMost
"""How the winner is chosen; see `search.winner.winner`."""

_WHAT_COLUMNS_ARE = {"source", "target", "features", "exclude", "covariates", "groups", "weights"}
"""Keys of ``[data]`` that choose values, which the SHA-256 of the data knows."""


class DataKeys(TypedDict, total=False):
    """Keys of ``[data]`` that `SearchConfig.updated` changes; ``None`` leaves one as it is."""

    target: str | Sequence[str] | None
    features: str | Sequence[str] | None
    exclude: Sequence[str] | None
    covariates: Sequence[str] | None
    groups: str | None
    weights: str | None
    lags: Sequence[int] | None
    scale: Scale | None
    rows: Literal["time", "independent"] | None
    split: SplitConfig | Mapping[str, Any] | None


class SearchConfig(Section):
    """Configuration of a search: its data, families, sampler and rules. It is read-only.

    Raises
    ------
    pydantic.ValidationError
        From the constructor, if a value is not allowed.  `from_toml`, `from_preset` and `updated` raise `ConfigError`
        with one line instead.
    """

    model_config = ConfigDict(title="regsearch", json_schema_extra={"description": "A search of penalties."})

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST,
            pattern=PATTERN,
            description="name of the model, and of the experiment",
        ),
    ]
    experiment: Annotated[
        str | None,
        Field(min_length=1, max_length=LONGEST, pattern=PATTERN, description="name of the experiment (default: name)"),
    ] = None
    seed: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            strict=True,
            description="seed of all random draws: proposals, the order of independent rows, null targets",
        ),
    ] = 0
    sampler: Annotated[
        Literal["tpe", "random", "grid", "gp", "cmaes", "nsgaii"],
        Field(description="sampler that proposes strengths within ranges"),
    ] = "tpe"
    tolerance: Annotated[
        float, Field(gt=0, lt=1, strict=True, description="relative duality gap that every fit must reach")
    ] = 1e-6
    select: Annotated[
        Annotated[_NamedRule, Tag("as name")] | Annotated[AtMost, Tag("as limit")],
        one_of(
            f"{', '.join(get_args(_NamedRule))} or {{ at_most = N }} (at-most:N on the command line)",
            lambda value: (
                "as limit" if isinstance(value, AtMost | dict) else "as name" if value in get_args(_NamedRule) else None
            ),
        ),
        Field(
            description="rule that chooses the winner: best takes the best score; one-se the sparsest trial within one "
            "standard error of it; one-se-paired the same with the standard error of the difference; "
            "{ at_most = 100 } the best score with at most 100 weights that are not zero"
        ),
    ] = "best"
    data: Annotated[DataConfig, Field(description="recording and rows")] = DataConfig()
    families: Annotated[Families, Field(description="families to search; the unregularised baseline is always added")]
    null: Annotated[
        NullConfig | None, Field(description="null targets to compare the search with at its end (default: none)")
    ] = None

    @model_validator(mode="after")
    def _grids_are_square_and_whole(self) -> Self:
        for family, settings in self.families.searched.items():
            if self.sampler == "grid" and settings.patience is not None:
                raise ValueError(
                    f'families.{family}: sampler = "grid" tries its points from strong to weak, all of them; '
                    "leave `patience` out or choose another sampler"
                )
            if self.sampler == "grid" and not settings.is_grid:
                side = round(settings.n_trials ** (1 / len(settings.strengths)))
                if side ** len(settings.strengths) != settings.n_trials:
                    raise ValueError(
                        f"families.{family}: a grid over two ranges needs a square number of trials, "
                        f"found {settings.n_trials}; use {side**2} or {(side + 1) ** 2}"
                    )
        return self

    @model_validator(mode="after")
    def _null_targets_suffice(self) -> Self:
        if self.null is not None:
            self.null.require_usable(is_independent=self.data.rows == "independent")
        return self

    @property
    def n_trials(self) -> int:
        """Total number of trials wanted, with the baseline; an upper limit if a family has `patience`."""
        return 1 + sum(settings.n_trials for settings in self.families.searched.values())

    @property
    def at_most(self) -> int | None:
        """Largest number of non-zero weights that the winner may have, or ``None``."""
        return self.select.at_most if isinstance(self.select, AtMost) else None

    @property
    def may_stop_early(self) -> bool:
        """Whether a family has `patience`, so that `n_trials` is only an upper limit."""
        return any(settings.patience is not None for settings in self.families.searched.values())

    def search_id(self, data_sha256: str) -> str:
        """Return the search's identity: a hash of the data's values and of every key that decides the trials.

        The data's source, the number of trials, `patience`, `select` and `null` do not decide them: a moved file is
        the same search, and more trials continue it.
        """
        text = json.dumps([self._decisive(), data_sha256], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def differences(self, earlier: SearchConfig) -> list[str]:
        """Return which keys that decide `search_id` have changed since an earlier configuration, a line for each."""
        return changes(earlier._decisive(), self._decisive())

    def other_columns(self, earlier: SearchConfig) -> list[str]:
        """Return which keys that choose columns of the source have changed, a line for each."""
        keys = _WHAT_COLUMNS_ARE - {"source"}
        return changes(*({"data": one.data.model_dump(mode="json", include=keys)} for one in (earlier, self)))

    def _decisive(self) -> dict[str, Any]:
        """Return the keys and values that decide which trials are made."""
        decisive = self.model_dump(
            mode="json", exclude={"data": _WHAT_COLUMNS_ARE, "select": True, "experiment": True, "null": True}
        )
        data, untouched = decisive["data"], DataConfig()
        for key in ("lags", "scale", "rows"):  # so that searches of earlier versions keep their ids
            if getattr(self.data, key) == getattr(untouched, key):
                del data[key]
        for key in ("share_groups", "part") if data["split"] else ():
            if data["split"][key] is None or data["split"][key] is False:
                del data["split"][key]
        for settings in filter(None, decisive["families"].values()):
            settings.pop("patience")
            if self.sampler != "grid":
                settings.pop("trials")
            for strength in settings.values():
                if isinstance(strength, dict) and strength["of"] is None:
                    del strength["of"]
        return decisive

    def to_toml(self) -> str:
        """Return the configuration as TOML that `from_toml` reads back to an equal one."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, *, source: str = "configuration") -> Self:
        """Read a configuration.

        Parameters
        ----------
        text : str
            TOML; `load` reads a file.
        source : str
            Name of the file, for error messages.

        Raises
        ------
        ConfigError
            If it is not TOML, has an unknown key, or a value is not allowed.
        """
        if not isinstance(text, str):
            found = f"an object of type {type(text).__name__}"
            raise ConfigError(f"{source}: expected TOML as text, found {found}; SearchConfig.load(path) reads a file")
        try:
            require_shallow(text)
            return cls.from_values(tomllib.loads(text), source)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{source}: expected TOML, found a syntax error: {error}") from error
        except RecursionError as error:
            raise ConfigError(
                f"{source}: expected a few levels of sections and lists, found too many; see `regsearch config`"
            ) from error

    @classmethod
    def toml_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the configuration, which lets editors complete and check its TOML."""
        return cls.model_json_schema(schema_generator=TomlSchema)

    @classmethod
    def from_preset(cls, name: str) -> Self:
        """Read a configuration that comes with the package: ``"default"``, ``"tutorial"`` or ``"own-data"``."""
        return cls.from_toml(preset(name), source=name)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Read a preset by its name or a TOML file by its path; a relative path in it starts at the file's folder."""
        name_or_path = path_text(name_or_path, "configuration", "the name of a preset or the path of a TOML file")
        if name_or_path in PRESETS:
            return cls.from_preset(name_or_path)
        path = Path(name_or_path)
        try:
            return cls.from_toml(read_text(path), source=path.name)._beside(path)
        except ConfigError:
            raise
        except FileNotFoundError as error:
            near = difflib.get_close_matches(name_or_path, PRESETS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"give a TOML file or one of {', '.join(PRESETS)}"
            raise ConfigError(f"{name_or_path}: no such configuration; {advice}") from error
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or (
                "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else "a NUL character in the path"
            )
            shown = name_or_path.replace("\0", "\\x00")
            raise ConfigError(
                f"{shown}: expected a TOML file, found {found!r}; give a file or one of {', '.join(PRESETS)}"
            ) from error

    def updated(
        self,
        *,
        seed: int | None = None,
        trials: int | None = None,
        name: str | None = None,
        select: Rule | Mapping[str, int] | str | None = None,
        families: Family | Sequence[Family] = (),
        folds: int | None = None,
        alpha: tuple[float, float] | None = None,
        **data: Unpack[DataKeys],
    ) -> Self:
        """Return a copy with some settings changed; what is left out stays.

        Parameters
        ----------
        seed : int or None
        trials : int or None
            Total number of trials of each family that has a range.
        name : str or None
            Name of the experiment and the model.
        select : {"best", "one-se", "one-se-paired"}, AtMost, {"at_most": int}, "at-most:N" or None
        families : str or sequence of str
            Families to keep; all if empty.
        folds : int or None
            Number of folds for cross-validation over the training and validation rows. If the configuration has
            `groups`, folds are of whole groups.
        alpha : tuple of float or None
            Ends of the range of ridge's and the lasso's `alpha`.
        **data
            Keys of ``[data]``: `target`, `features`, `exclude`, `covariates`, `groups`, `weights`, `lags`, `scale`,
            `rows`, `split`. Without `name`, another target is added to the name, so that each target has a model of
            its own; one of several targets stays in their experiment. `split` has the keys of ``[data.split]``; rows
            may also be masks or arrays of row numbers.

        Raises
        ------
        ConfigError
            If a setting does not fit the configuration.
        """
        known = [*(type(self).updated.__kwdefaults__ or ()), *DataConfig.model_fields]
        for key in data:
            if key not in known:
                raise ConfigError(f"updated: unknown key {key!r}; {nearest(key, known)}")
        values = self._values()
        given = {"name": name, "seed": seed, "select": _rule(select) if isinstance(select, str) else select}
        values |= {key: value for key, value in given.items() if value is not None}
        values["data"] |= {key: value for key, value in data.items() if value is not None}
        target = data.get("target")
        wanted = _listed(self.data.targets if target is None else target)
        others = [other for other in self.data.targets if other not in wanted]
        if others and all(one in self.data.targets for one in wanted):  # they are no features, as when all are searched
            values["data"]["exclude"] = [*dict.fromkeys((*values["data"].get("exclude", ()), *others))]
        if isinstance(target, str) and name is None and target != self.data.target:
            values["name"] = self.name_for(target)
            if target in self.data.targets:
                values["experiment"] = self.in_experiment
        if families is not None and len(named := _listed(families)):
            values["families"] = _kept(named, values["families"])
        if folds is not None:
            if data.get("split") is not None:
                raise ConfigError("expected folds or a split, found both; put folds into the split's validation")
            values["data"]["split"] = self._folded(folds, by_groups=values["data"].get("groups") is not None)
        if alpha is not None:
            self._narrow(values["families"], alpha)
        if trials is not None:
            ranged = [one for one in values["families"].values() if "trials" in one]
            if not ranged:
                raise ConfigError("trials: every family is an exact grid; give ranges to choose a number of trials")
            for settings in ranged:
                settings["trials"] = trials
        return self.from_values(values, "changed settings")

    def with_family(self, family: Family, **keys: Any) -> Self:
        """Return a copy with a family added or some of its keys changed.

        Parameters
        ----------
        family : {"ridge", "lasso", "elasticnet"}
        **keys
            Keys of ``[families.FAMILY]`` as in TOML, such as ``alpha={"low": 0.001, "high": 1}`` or ``trials=50``;
            ``None`` removes a key.  An exact grid in place of ranges drops their `trials` and `patience`.

        Raises
        ------
        ConfigError
            If the keys do not make a family.
        """
        values = self._values()
        changed = {**values["families"].get(family, {}), **keys}
        if not any(kind_of_strength(value) == "as range" for value in changed.values()):
            changed |= dict.fromkeys(OF_RANGES - keys.keys())
        values["families"][family] = {key: value for key, value in changed.items() if value is not None}
        return self.from_values(values, family)

    def _values(self) -> dict[str, Any]:
        """Return the values of all keys, and the split as it is, since its masks know their length."""
        values = self.model_dump(exclude_none=True)
        if self.data.split is not None:
            values["data"]["split"] = self.data.split
        return values

    def _folded(self, folds: int, *, by_groups: bool) -> dict[str, Any]:
        """Return the split with folds over its training and validation rows."""
        split = self.data.split
        key = "groups" if by_groups and not (split and split.share_groups) else "folds"
        wanted = {key: folds}
        if split is None:
            return {"validation": wanted}
        kept = split.model_dump(exclude_none=True)
        if key == "folds" and isinstance(split.validation, FoldsConfig):
            return {**kept, "validation": {"folds": folds, "embargo": split.validation.embargo}}
        if isinstance(split.train, tuple) and isinstance(split.validation, tuple):
            kept["train"] = sorted([*ranges(split.train), *ranges(split.validation)])
        else:
            kept.pop("train", None)
        return {**kept, "validation": wanted}

    def _narrow(self, families: Mapping[str, Any], alpha: tuple[float, float]) -> None:
        """Search ridge and the lasso between two strengths."""
        searched = [settings for settings in families.values() if "alpha" in settings]
        if not searched:
            raise ConfigError("alpha: only ridge and the lasso have an alpha; set l1_alpha and l2_alpha in a TOML file")
        try:
            low, high = alpha
        except (TypeError, ValueError):
            do = "give a list of strengths by with_family"
            raise ConfigError(f"alpha: expected two ends, such as (0.001, 1), found {short(alpha)}; {do}") from None
        for settings in searched:
            settings["alpha"] = {"low": low, "high": high}
            settings.setdefault("trials", 30)

    def on(self, data: str | os.PathLike[str] | Recording | Sequence[Recording]) -> Self:
        """Return a copy that searches other data, given as a source, as a recording, or as one of each target.

        The stem of a file becomes the name.  A split that names rows by number is of one recording and is dropped; one
        by groups, folds or fractions stays.  A recording that a preset was made for keeps split and name.
        """
        if not isinstance(data, str | os.PathLike):
            own = self.for_recordings()
            return own.given_targets(data) if isinstance(data, list | tuple) else own.given(data)
        data = path_text(data, "data", "the path of a file")
        if is_example(data):
            values = self.model_dump(exclude_none=True)
        else:
            values = self._for_own_data()
            values["name"] = as_name(Path(data).stem)
        values["data"]["source"] = data
        return self.from_values(values, "--data")

    def for_recordings(self) -> Self:
        """Return a copy for recordings at hand that it was not made for, before `given` checks them."""
        return self.from_values({**self._for_own_data(), "name": "own-data"}, "data")

    def given(self, recording: object) -> Self:
        """Return a copy for a recording at hand, after checking that it is what the configuration describes.

        `features` and `exclude` choose among the recording's columns later, where it is read.

        Raises
        ------
        ConfigError
            If this is no recording.
        DataError
            If the recording is of another target, or lacks the names by which the configuration chooses features.
        """
        if not isinstance(recording, Recording):
            found, do = f"an object of type {type(recording).__name__}", "make one by from_frame(frame, target)"
            if isinstance(recording, str | os.PathLike):
                do = "give a path by config.on(path)"
            elif isinstance(recording, Sequence) and all(isinstance(one, Recording) for one in recording):
                found, do = f"{len(recording)} of them", "call run_targets for one search of each"
            else:
                do += " or from_arrays(X, y)"
            raise ConfigError(f"data: expected a recording, found {found}; {do}")
        roles, target = self.data.roles, recording.target
        if target not in roles.targets and roles.targets != DataConfig().targets:
            expected = " or ".join(map(repr, roles.targets))
            do = f"give that one, by name in from_frame, or change the configuration by updated(target={target!r})"
            raise DataError(f"data.target: expected the target {expected}, found a recording of {target!r}; {do}")
        wanted = named_features(roles, recording)
        _require_names(recording, roles.exclude)
        recording.features_among(wanted, roles.exclude)
        return self.of(recording)

    def given_targets(self, recordings: Sequence[Recording]) -> Self:
        """Return a copy for a recording of each target; they are its targets if it names none.

        Raises
        ------
        ConfigError, DataError
            As `given` raises them for each of the recordings.
        """
        for one in recordings:
            self.given(one)
        if self.data.targets != DataConfig().targets or len(recordings) < 2:
            return self
        return self._with_data(target=tuple(dict.fromkeys(one.target for one in recordings)))

    def of(self, recording: Recording) -> Self:
        """Return a copy whose source and target are those of a recording at hand."""
        return self._with_data(source=recording.source, target=recording.target)

    def reading(self, source: str) -> Self:
        """Return a copy that reads the same data from another source."""
        return self._with_data(source=source)

    def reading_as(self, earlier: SearchConfig) -> Self:
        """Return a copy that reads the source and the columns of an earlier configuration of the same search."""
        return self._with_data(**{key: getattr(earlier.data, key) for key in _WHAT_COLUMNS_ARE})

    def _with_data(self, **changed: Any) -> Self:
        """Return a copy with some checked keys of ``[data]`` changed."""
        return self.model_copy(update={"data": self.data.model_copy(update=changed)})

    def name_for(self, target: str) -> str:
        """Return the name of the search of one target of several, ``NAME-TARGET``."""
        return joined(self.name, target)

    def for_targets(self) -> tuple[Self, ...]:
        """Return the search of each target: with a model of its own, ``NAME-TARGET``, in one experiment.

        Raises
        ------
        ConfigError
            If two targets would get the same model, because the name of a model cannot hold what tells them apart.
        """
        if isinstance(self.data.target, str):
            return (self,)
        made: list[Self] = []
        target_of: dict[str, str] = {}
        for target in self.data.target:
            if (other := target_of.setdefault(self.name_for(target), target)) != target:
                raise ConfigError(
                    f"data.target: expected targets that give models names that differ, found {short(other)} and "
                    f"{short(target)}, both of the model {short(self.name_for(target))}; rename one of them"
                )
            others = tuple(other for other in self.data.target if other != target)
            one = self._with_data(target=target, exclude=(*self.data.exclude, *others))
            names = {"name": self.name_for(target), "experiment": self.in_experiment}
            made.append(one.model_copy(update=names))
        return tuple(made)

    @property
    def is_nested(self) -> bool:
        """Whether there is a search for each part of the rows that is tested, and one on all rows."""
        split = self.data.split
        return split is not None and split.is_in_turn and split.part is None

    def for_parts(self, n_parts: int) -> tuple[tuple[Self, ...], Self]:
        """Return the search that is tested on each part of the rows, and the one on all rows, which is not tested."""
        assert self.data.split is not None, "the search is nested"  # noqa: S101
        splits = [self.data.split.model_copy(update={"part": part}) for part in range(n_parts)]
        *parts, on_all = (
            self._with_data(split=split) for split in (*splits, self.data.split.model_copy(update={"test": "none"}))
        )
        return tuple(parts), on_all

    @property
    def in_experiment(self) -> str:
        """Name of the experiment."""
        return self.experiment or self.name

    def _for_own_data(self) -> dict[str, Any]:
        """Return the values without what is of another recording: its rows, and a preset's strengths in its units."""
        values = self.model_dump(exclude_none=True)
        if self.data.split and self.data.split.is_of_one_recording:
            values["data"].pop("split")
        if any(self.families == SearchConfig.from_preset(name).families for name in PRESETS):
            values["families"] = SearchConfig.from_preset("own-data").model_dump(exclude_none=True)["families"]
        return values

    def _beside(self, path: Path) -> Self:
        """Return a copy whose relative paths start at the folder of a configuration's file, and ``~`` at the user's."""

        def found(source: str) -> str:
            if not is_path(source):
                return source
            return str(path.parent / os.path.expanduser(source))  # noqa: PTH111  # which does not fail without a home

        changed: dict[str, Any] = {"data": self.data.model_copy(update={"source": found(self.data.source)})}
        if self.null and self.null.impostors:
            files = tuple(map(found, self.null.impostors))
            changed["null"] = self.null.model_copy(update={"impostors": files})
        return self.model_copy(update=changed)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], source: str) -> Self:
        """Check the keys and values of a configuration; `source` names them in the message of a `ConfigError`."""
        try:
            return cls.model_validate(plain(values))
        except ValidationError as error:
            raise ConfigError(f"{source}: {first_problem(cls, error)}") from error


def named_features(roles: Roles, recording: Recording) -> tuple[str, ...]:
    """Return the names or patterns that choose among the columns of a recording at hand.

    A single text may also name the array that holds all features of a file.

    Raises
    ------
    DataError
        If there are such names, but the columns have none.
    """
    wanted = roles.patterns
    if isinstance(roles.features, str):
        is_whole = roles.features == "X" or recording.source != MEMORY
        wanted = () if is_whole and roles.features not in recording.feature_names else (roles.features,)
    _require_names(recording, wanted)
    return wanted


def _require_names(recording: Recording, chosen: Sequence[str]) -> None:
    if chosen and not recording.feature_names:
        do = "give a DataFrame, or leave data.features and data.exclude out"
        raise DataError(f"data: expected columns with names, to choose {chosen[0]!r}, found none; {do}")


def _rule(text: str) -> str | AtMost:
    """Return the rule that a text names, such as ``"at-most:100"``."""
    name, _, most = text.partition(":")
    if name != "at-most":
        return text
    if not (most.isascii() and most.isdigit() and int(most) > 0):
        raise ConfigError(f"select: expected at-most:N with N of 1 or more, such as at-most:100, found {text!r}")
    return AtMost(at_most=int(most))


def _listed(value: Any) -> list[Any]:
    """Return several values as a list, and a text or another single value as one of one."""
    return [*value] if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _kept(families: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [family for family in families if family not in settings]
    if unknown:
        has = ", ".join(settings)
        raise ConfigError(f"families: expected some of {has}, found {unknown[0]!r}; name families of the configuration")
    return {family: one for family, one in settings.items() if family in families}


def plain(value: Any, *, is_split: bool = False) -> Any:
    """Return values with numbers and lists of Python, and paths as text; rows of a split may be masks and stay."""
    if isinstance(value, Mapping):
        return {key: plain(one, is_split=is_split or key == "split") for key, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(one, is_split=is_split) for one in value]
    if hasattr(value, "tolist") and not (is_split and getattr(value, "ndim", 0) > 0):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def path_text(given: object, name: str, expected: str) -> str:
    """Return a path, or another text, as a text.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    path = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(path, str):
        raise ConfigError(f"{name}: expected {expected}, found an object of type {type(given).__name__}")
    return path
