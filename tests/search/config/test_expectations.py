import datetime
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from regsearch.search.config.expectations import problem_in_words


class Inner(BaseModel):
    key: int = 0


class Model(BaseModel, strict=True):
    above: Annotated[float, Field(gt=0)] = 1.0
    least: Annotated[int, Field(ge=2)] = 2
    below: Annotated[float, Field(lt=2**31)] = 1.0
    most: Annotated[float, Field(le=1)] = 1.0
    finite: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    flag: bool = True
    text: str = ""
    values: Annotated[tuple[float, ...], Field(min_length=1)] = (1.0,)
    names: Annotated[list[str], Field(max_length=2)] = []
    choice: Literal["time", "independent"] = "time"
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"above": 0.0}, "expected a number above 0, found 0.0"),
        ({"above": "x"}, "expected a number, found 'x'"),
        ({"least": 1}, "expected a number of at least 2, found 1"),
        ({"least": 2.5}, "expected a whole number, found 2.5"),
        ({"below": 1e300}, "expected a number below 2147483648, found 1e+300"),
        ({"most": 2.0}, "expected a number of at most 1, found 2.0"),
        ({"finite": float("nan")}, "expected a finite number, found nan"),
        ({"flag": "yes"}, "expected true or false, found 'yes'"),
        ({"text": 3}, "expected a text, found 3"),
        ({"values": ()}, "expected a list of 1 or more, found ()"),
        ({"values": "0,1"}, "expected a list, found '0,1'"),
        ({"names": ["a"] * 3}, "expected a list of 2 or fewer, found ['a', 'a', 'a']"),
        ({"names": 3}, "expected a list, found 3"),
        ({"choice": "any"}, "expected 'time' or 'independent', found 'any'"),
        ({"inner": 3}, "expected a table of keys, found 3"),
        ({"text": datetime.date(2020, 1, 1)}, "expected a text, found 2020-01-01"),
        ({"flag": [datetime.date(2020, 1, 1)]}, "expected true or false, found [2020-01-01]"),
        ({"text": list(range(99))}, f"expected a text, found {str(list(range(99)))[:57]}..."),
    ],
)
def test_a_problem_is_said_as_what_was_expected_and_found(given, said):
    with pytest.raises(ValidationError) as refused:
        Model.model_validate(given)
    assert problem_in_words(refused.value.errors()[0]) == said
