"""Which cluster is meant, and what each driver would do, without one; with one: ``conformance``."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.cluster.drivers import base, kubeconfig
from labs.errors import PermanentError
from labs.services import catalog


@pytest.mark.parametrize(("chosen", "needs"), [
    ("", ("etcd",)), ("embedded", ("etcd",)), ("kubeconfig", ()), ("kind", ())])
def test_the_variable_decides_what_kubernetes_is(
    chosen: str, needs: tuple[str, ...], registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(base.VARIABLE, chosen)
    service = catalog.find("kubernetes")
    assert service.needs == needs
    assert base.chosen().service() == service or not needs      # the other is made anew, with functions in it


def test_a_driver_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(base.VARIABLE, "minikube")
    with pytest.raises(PermanentError, match="embedded, kind, kubeconfig"):
        base.chosen()


def test_kubeconfig_wants_a_file_that_is_not_our_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    monkeypatch.setenv("LABS_KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(PermanentError, match="There is no kubeconfig"):
        kubeconfig.origin()
    (tmp_path / "kubeconfig").touch()
    monkeypatch.setenv("LABS_KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(PermanentError, match="own copy"):
        kubeconfig.origin()


def test_no_image_is_loaded_into_somebody_elses_cluster(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="not the labs' own"):
        kubeconfig.DRIVER.load_image("shop:1", tmp_path / "shop.tar")
