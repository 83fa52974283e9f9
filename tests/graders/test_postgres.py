"""A gradebook in PostgreSQL, by URL: a real server, several jobs, the same marks."""

import csv
import json
import subprocess
import sys

import pg8000.native
import pytest


@pytest.fixture
def database():
    """The URL of an empty database on a server of its own."""
    from labs.shop.postgres import ADMIN, Postgres

    with Postgres() as server:
        where = {"user": ADMIN, "password": server.admin_password, "host": "127.0.0.1", "port": server.port}
        connection = pg8000.native.Connection(database="shop", **where)
        connection.run("CREATE DATABASE gradebook")
        connection.close()
        yield f"postgresql+pg8000://{ADMIN}:{server.admin_password}@127.0.0.1:{server.port}/gradebook"


@pytest.mark.long
def test_eight_jobs_write_one_postgresql_gradebook(course, database):
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {database!r}\n")
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    expected = {}
    for number in range(10):
        course.submit(f"s{number}", "evens = [0, 2, 4, 6, 8]" if number % 2 else "evens = [2, 4]")
        expected[f"s{number}"] = 3.0 if number % 2 else 2.0
    command = [sys.executable, "-W", "ignore", "-c", "import typer, graders.cli as g; typer.run(g.grade)"]
    done = subprocess.run(
        [*command, "t_testing", "--jobs", "8", "--json"],
        cwd=course.root,
        env=course.environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert {one["student"]: one["points"] for one in json.loads(done.stdout)} == expected
    assert course.nbgrader("autograde", "t_testing", "--force").returncode == 0
    assert course.nbgrader("export").returncode == 0
    with (course.root / "grades.csv").open() as file:
        assert {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader(file)} == expected
    assert not (course.root / "gradebook.db").exists()
