"""Which role each array or column of a source has in a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from regsearch.data.refusal import refusal, require_present, short, some


@dataclass(frozen=True)
class Roles:
    """The roles of arrays or columns.

    Parameters
    ----------
    targets : tuple of str
        Names to predict, each by a search of its own.
    features : str, tuple of str or None
        Of a table: names or patterns, such as ``"unit_*"``, of the columns to predict from; ``None`` for all that have
        no other role.  Of arrays: the name of the array of features, ``None`` for ``X``; or as a tuple, names or
        patterns of its columns.
    exclude : tuple of str
        Names or patterns of columns that are no features.
    covariates : tuple of str
        Columns that are fitted and never penalised.
    groups, weights, folds : str or None
        Names of each row's session or subject; of its weight; and of the fold that it validates.
    """

    targets: tuple[str, ...] = ("y",)
    features: str | tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    groups: str | None = None
    weights: str | None = None
    folds: str | None = None

    @property
    def target(self) -> str:
        """The first target."""
        return self.targets[0]

    @property
    def numbers(self) -> tuple[str, ...]:
        """What holds one number per row and is no feature."""
        return (*self.targets, *self.covariates, *([self.weights] if self.weights else []))

    @property
    def labels(self) -> tuple[str, ...]:
        """What holds one label per row: groups and folds, which may be the same column."""
        return tuple(dict.fromkeys(name for name in (self.groups, self.folds) if name))

    @property
    def array(self) -> str | None:
        """The array of features, or the only column of them, if a single name is given."""
        return self.features if isinstance(self.features, str) else None

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names or patterns of the columns that are features; empty for all."""
        return self.features if isinstance(self.features, tuple) else ()

    @property
    def mentioned(self) -> tuple[str, ...]:
        """Every name or pattern that is given."""
        features = (self.array,) if self.array else self.patterns
        return (*features, *self.exclude, *self.numbers, *self.labels)

    def require_distinct(self) -> None:
        """Raise `DataError` if a name has two roles."""
        given = [*((name, "a target") for name in self.targets), *((name, "a covariate") for name in self.covariates)]
        given += [(name, role) for name, role in ((self.weights, "the weights"), (self.groups, "the groups")) if name]
        given += [(self.folds, "the folds")] if self.folds and self.folds != self.groups else []
        given += [(name, "a feature") for name in self.patterns]
        roles: dict[str, str] = {}
        for name, role in given:
            if name in roles:
                found = (
                    f"{short(name)} twice" if roles[name] == role else f"{short(name)} as {roles[name]} and as {role}"
                )
                raise refusal("one role for each name", found, "name it once")
            roles[name] = role

    def features_among(self, names: Sequence[str]) -> list[str]:
        """Return the columns of a table that are features, in its order.

        Raises
        ------
        DataError
            If a name with a role is missing, a pattern matches nothing, or no feature is left.
        """
        self.require_distinct()
        for name in (*self.numbers, *self.labels):
            require_present(name, names, "column", self.advice(name, "column"))
        wanted = (self.array,) if self.array else self.patterns
        taken = {*self.numbers, *self.labels}
        for name in wanted:
            if name in taken:
                raise refusal(
                    "one role for each name", f"{short(name)} as a feature beside another role", "name it once"
                )
        return chosen([name for name in names if name not in taken], wanted, self.exclude, known=names)

    def advice(self, name: str, what: str) -> str:
        """Return what to do if a name that has a role is not there, among columns or among arrays."""
        if name in self.targets:
            return f"say by --target which {what} to predict"
        if any(mark in name for mark in "*?["):
            return f"name each {what} by itself: only features and exclude take patterns"
        return f"name one of the {what}s"

    def role_of(self, name: str) -> str:
        """Return the role that a name has beside the features, or an empty text."""
        named = dict.fromkeys(self.targets, "target") | dict.fromkeys(self.covariates, "covariate")
        named |= {
            name: role
            for name, role in ((self.folds, "folds"), (self.weights, "weights"), (self.groups, "groups"))
            if name
        }
        return named.get(name, "")


def chosen(
    names: Sequence[str], wanted: Sequence[str], exclude: Sequence[str], known: Sequence[str] | None = None
) -> list[str]:
    """Return the names that are wanted, all if none are named, and not excluded.

    Parameters
    ----------
    names : sequence of str
    wanted, exclude : sequence of str
        Names or patterns.
    known : sequence of str or None
        Names that may be excluded without effect; by default `names`.

    Raises
    ------
    DataError
        If one of them matches nothing, or no name is left.
    """
    for pattern in wanted:
        if not any(_matches(name, pattern) for name in names):
            raise refusal(
                f"columns that match {short(pattern)}",
                f"{len(names)} other(s): {some(names)}",
                "name columns, or a pattern in quotes, as in 'unit_*'",
            )
    for pattern in exclude:
        if not any(_matches(name, pattern) for name in known or names):
            raise refusal(
                f"columns to exclude that match {short(pattern)}",
                f"{len(known or names)} other(s): {some(known or names)}",
                "check the name, and quote a pattern, as in 'unit_*'",
            )
    left = [
        name
        for name in names
        if (not wanted or any(_matches(name, pattern) for pattern in wanted))
        and not any(_matches(name, pattern) for pattern in exclude)
    ]
    if not left and names and exclude:
        raise refusal(
            "features beside the target", f"that all are excluded by {some(exclude)}", "exclude fewer columns"
        )
    if not left:
        others = ", ".join(map(short, (known or names)[:3]))
        raise refusal("features beside the target", f"no column but {others}", "add a column per feature")
    return left


def matching(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return those of some names or patterns that match a name."""
    return tuple(pattern for pattern in patterns if any(_matches(name, pattern) for name in names))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
