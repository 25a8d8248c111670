"""Which addresses libvirt is to dial: protected ones, and none is repeated in an error."""

import pytest

from bot.errors import ConfigError
from integrations.hypervisors.libvirt.addresses import dialled_url


def refused(url: str, user: str = "") -> str:
    with pytest.raises(ConfigError) as told:
        dialled_url("kvm", url, user, "")
    (problem,) = told.value.problems
    assert problem.startswith("hypervisors.kvm.url ")
    return problem


@pytest.mark.parametrize(
    ("url", "user", "ca", "dialled"),
    [
        ("qemu:///system", "", "", "qemu:///system"),
        ("qemu:///system", "cloudy", "", "qemu:///system"),
        ("qemu+unix:///system?socket=/run/x", "", "", "qemu+unix:///system?socket=/run/x"),
        ("qemu://kvm1/system", "", "", "qemu://kvm1/system"),
        ("qemu+tls://kvm1:16515/system", "cloudy", "/pki", "qemu+tls://kvm1:16515/system?pkipath=/pki"),
        ("qemu+tls://kvm1/system?no_verify=0", "", "", "qemu+tls://kvm1/system?no_verify=0"),
        ("qemu+ssh://kvm1/system", "root", "", "qemu+ssh://root@kvm1/system?no_tty=1"),
        ("qemu+ssh://bot@kvm1/system", "root", "", "qemu+ssh://bot@kvm1/system?no_tty=1"),
        ("qemu+libssh2://kvm1/system?known_hosts_verify=normal", "", "",
         "qemu+libssh2://kvm1/system?known_hosts_verify=normal&no_tty=1"),
    ],
)  # fmt: skip
def test_addresses_that_are_protected_are_dialled(url: str, user: str, ca: str, dialled: str) -> None:
    assert dialled_url("kvm", url, user, ca) == dialled


@pytest.mark.parametrize("url", ["qemu+tcp://kvm1/system", "QEMU+TCP://kvm1:16509/system", "qemu+tcp:///system"])
def test_what_goes_unprotected_is_refused_with_the_right_way(url: str) -> None:
    for user in ("", "cloudy"):
        assert "qemu+tls://HOST/system or qemu+ssh://" in refused(url, user)


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("qemu+tls://kvm1/system?no_verify=1", "by `ca`"),
        ("qemu+tls://kvm1/system?pkipath=/x&NO_VERIFY=1", "by `ca`"),
        ("qemu+tls://kvm1/system?pkipath=/x;no%5Fverify=2", "by `ca`"),
        ("qemu://kvm1/system?no_verify", "by `ca`"),
        ("qemu+ssh://kvm1/system?no_verify=1", "known_hosts"),
        ("qemu+libssh://kvm1/system?known_hosts_verify=ignore", "known_hosts"),
        ("qemu+libssh://kvm1/system?known_hosts_verify=auto", "known_hosts"),
    ],
)
def test_an_address_that_trusts_anybody_is_refused_with_the_right_way(url: str, right: str) -> None:
    assert right in refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "qemu+ssh://root:hunter22@kvm1/system",
        "qemu+tls://:hunter22@kvm1/system",
        "xen://root:hunter22@kvm1/",
        "root:hunter22@kvm1",
        "qemu+tls://root:hunter22@kvm1:port/system",
        "qemu+tls://root:hunter22@[kvm1/system",
        "qemu+tcp://root:hunter22@kvm1/system",
        "qemu+ext://root@kvm1/system?command=hunter22",
        "https://kvm1/?token=hunter22",
        "",
    ],
)
def test_no_error_repeats_an_address(url: str) -> None:
    assert "hunter22" not in refused(url)


def test_a_password_belongs_into_its_own_setting() -> None:
    assert "give it as `password`" in refused("qemu+ssh://root:hunter22@kvm1/system")
