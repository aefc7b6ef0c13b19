"""The JSON schema of a configuration, which lets editors complete and check its TOML."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema, to_jsonable_python


class TomlSchema(GenerateJsonSchema):
    """JSON schema, draft 2020-12, of a model that is read from TOML.  TOML has no null: a key is there or left out."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """Return the schema with the dialect that it is written in."""
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema of the value itself."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema with its default, unless the default is that the key is left out."""
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        """Return a default as TOML would have it."""
        return to_jsonable_python(dft, exclude_none=True)


ENDS: dict[str, Any] = {"anyOf": [{"required": ["low", "high"]}, {"required": ["of"]}]}
"""The rule that a range has both ends, or is relative to the data."""


def ranges_or_grids(*strengths: str) -> dict[str, Any]:
    """Return the rule that strengths are all ranges, with `trials`, or all grids, without it and `patience`.

    Parameters
    ----------
    *strengths : str
        Their keys.
    """
    ranges = {name: {"type": "object", "not": {"required": ["points"]}} for name in strengths}
    grids = {name: {"anyOf": [{"type": "array"}, {"required": ["points"]}]} for name in strengths}
    return {
        "if": {"properties": ranges},
        "then": {"required": ["trials"]},
        "else": {"properties": {**grids, "trials": False, "patience": False}},
    }
