import pytest

from regsearch.tracking.addresses import without_secrets


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host:5000/path?token=x", "http://host:5000/path"),
        ("postgresql://me:p@ss@host/db", "postgresql://host/db"),
        ("sqlite:////abs/mlflow.db", "sqlite:////abs/mlflow.db"),
        ("https://host", "https://host"),
        ("postgresql://me:pa/ss w?rd@host:5432/db?sslmode=x", "postgresql://host:5432/db"),
        ("postgresql://me:p@s/s@host/db", "postgresql://…"),
        ("postgresql://host/db?password=p@ss", "postgresql://host/db"),
        ("http://me:pa/ss@host:5000", "http://host:5000"),
        ("http://me:12/34@host:5000/x", "http://host:5000/x"),
        ("sqlite:////home/me@work/C#/what%3F/mlflow.db?timeout=3", "sqlite:////home/me@work/C#/what%3F/mlflow.db"),
        ("--storage=postgresql://me:pa ss/w@host/db", "--storage=postgresql://host/db"),
        (
            "unsupported URI 'postgresql://me:pa ss/w@host/db' and http://a:b@c/d",
            "unsupported URI 'postgresql://host/db' and http://c/d",
        ),
        ("me@example.org wrote it", "me@example.org wrote it"),
    ],
)
def test_secrets_are_not_shown(uri, shown):
    assert without_secrets(uri) == shown
