"""cloudy.toml, the environment and secrets.env become settings, or mistakes in words."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bot import config
from bot.errors import ConfigError

WHOLE = """
[slack]
admin_channel = "C1"

[vmstores.array-one]
url = "https://vmstore.example.com"
user = "cloudy"
share = "path:export"
cleanup_share = "path:/mnt/rw"
ca = "ca.pem"

[targets.s3]
url = "s3://bucket/prefix"
path_style = true
"""


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:

    for name in [name for name in os.environ if name.startswith("CLOUDY_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str, secrets: str | None = None) -> Path:
    file = folder / "cloudy.toml"
    file.write_text(text)
    if secrets is not None:
        (folder / "secrets.env").write_text(secrets)
    return file


def problems_of(file: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    return caught.value.problems


def test_a_whole_file_gives_settings_with_defaults_and_paths_seen_from_its_folder(tmp_path: Path) -> None:
    settings = config.load(written(tmp_path, WHOLE))

    array = settings.vmstores["array-one"]
    assert settings.folder == tmp_path
    assert settings.database.path == tmp_path / "cloudy.db"
    assert settings.database.engine == tmp_path / "engine.db"
    assert (array.kind, array.export, array.parallel, array.timeout_s) == ("tintri", "/tintri", 4, 30.0)
    assert (array.ca, array.share, array.cleanup_share) == (
        tmp_path / "ca.pem",
        f"path:{tmp_path}/export",
        "path:/mnt/rw",
    )
    assert (settings.targets["s3"].threads, settings.targets["s3"].part_mib) == (4, 16)
    assert settings.slack.api_url == "https://slack.com/api/"


def test_the_environment_goes_before_secrets_env_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        "CLOUDY_VMSTORES__ARRAY_ONE__PASSWORD='p${HOME}#1'\n"
        "CLOUDY_SLACK__BOT_TOKEN=xoxb-file\n"
        "CLOUDY_VMSTORES__ARRAY_ONE__USER=of-the-secrets-file\n"
    )
    monkeypatch.setenv("CLOUDY_SLACK__BOT_TOKEN", "xoxb-environment")

    settings = config.load(written(tmp_path, WHOLE, lines))

    array, token = settings.vmstores["array-one"], settings.slack.bot_token
    assert array.password is not None
    assert array.password.get_secret_value() == "p${HOME}#1"
    assert token is not None
    assert token.get_secret_value() == "xoxb-environment"
    assert array.user == "of-the-secrets-file"


@pytest.mark.parametrize("password", ["12345", "true", '{"a": 1}', "[1]", "null"])
def test_a_password_stays_the_text_that_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("CLOUDY_VMSTORES__ARRAY_ONE__PASSWORD", password)

    kept = config.load(written(tmp_path, WHOLE)).vmstores["array-one"].password

    assert kept is not None
    assert kept.get_secret_value() == password


def test_the_file_is_the_one_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDY_CONFIG", str(written(tmp_path, WHOLE)))

    assert config.load().folder == tmp_path


def test_ten_mistakes_are_told_at_once_each_with_file_key_and_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
colour = "blue"
[database]
pth = "x"
[slack]
bot_token = "xoxb-written"
[vmstores.Main]
url = "https://admin:hunter2@array"
user = 5
share = "path:x"
[vmstores.two]
url = "array"
user = "u"
cleanup = "manual"
paralell = 3
[targets.s3]
url = "s3://b"
threads = 0
"""
    monkeypatch.setenv("CLOUDY_TARGETS__S3__PART_MIB", "lots")
    monkeypatch.setenv("CLOUDY_VMSTORES__TWOO__PASSWORD", "pass-of-two")

    problems = problems_of(written(tmp_path, text, "CLOUDY_SLAK__APP_TOKEN=x\n"))

    for told in (
        "cloudy.toml: colour: unknown key; known are database, drills, groups, hypervisors, inventory, janitor,"
        " policy, protection, schedules, sla, slack, targets, vmstores",
        "cloudy.toml: database.pth: unknown key; did you mean path?",
        "cloudy.toml: slack.bot_token: secrets do not belong into this file; take it out and set"
        " CLOUDY_SLACK__BOT_TOKEN in the environment or in secrets.env beside it",
        "cloudy.toml: [vmstores.Main]: a name has lower-case letters, digits, - and single _ only, and begins with"
        " a letter or digit; rename it",
        "cloudy.toml: vmstores.Main.url: an address may not hold a user or password; set CLOUDY_VMSTORES__MAIN__..."
        " instead",
        "cloudy.toml: vmstores.Main.user: input should be a valid string; it should be a user of the VMstore,"
        ' like user = "cloudy"',
        "cloudy.toml: vmstores.Main.cleanup_share: missing, so clones could not be removed; add a writable way to"
        ' the files, like cleanup_share = "path:/mnt/tintri-rw", or say cleanup = "manual"',
        "cloudy.toml: vmstores.two.url: 'array' is not a whole address; write it with its scheme, like"
        " https://name.example.com",
        'cloudy.toml: vmstores.two.share: missing; add how its files are read, like share = "path:/mnt/tintri"',
        "cloudy.toml: vmstores.two.paralell: unknown key; did you mean parallel?",
        "cloudy.toml: targets.s3.threads: input should be greater than or equal to 1; it should be a number of parts"
        " in flight, like threads = 4",
        "CLOUDY_TARGETS__S3__PART_MIB: input should be a valid integer, unable to parse string as an integer;"
        " it should be a part's size in MiB, like part_mib = 16",
        "CLOUDY_VMSTORES__TWOO__...: there is no [vmstores.twoo] in cloudy.toml; did you mean two?; correct the"
        " variable's name or remove it",
        "secrets.env: CLOUDY_SLAK__APP_TOKEN sets nothing of Cloudy's; did you mean CLOUDY_SLACK?; correct or remove"
        " the line",
    ):
        assert told in problems
    assert len(problems) == 14
    assert not any(secret in " ".join(problems) for secret in ("xoxb-written", "hunter2", "pass-of-two"))


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, "[slack]\nadmin_channel = \n"))

    assert "cloudy.toml: it is not TOML" in problem
    assert "line 2" in problem


def test_a_file_that_is_not_there_is_told_with_the_ways_to_name_one(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "cloudy.toml")

    assert problem.startswith(f"{tmp_path}/cloudy.toml: there is no such file")
    assert "CLOUDY_CONFIG" in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vmstores = 3", "cloudy.toml: vmstores: input should be a valid dictionary"),
        ("[vmstores]\none = 3", "cloudy.toml: vmstores.one: input should be a valid dictionary"),
        ("slack = []", "cloudy.toml: slack: input should be a valid dictionary"),
        ("database = 1", "cloudy.toml: database: input should be a valid dictionary"),
        ('folder = "x"', "cloudy.toml: folder: unknown key"),
        ("[targets.a__b]\nurl = 's3://b'", "cloudy.toml: [targets.a__b]: a name has"),
        ("[targets.a-b]\nurl = 's3://b'\n[targets.a_b]\nurl = 's3://b'", "targets a-b and a_b would share"),
        ("[targets.b]\nurl = 's3://[b'", "cloudy.toml: targets.b.url: this is not an address"),
    ],
)
def test_what_has_another_shape_is_told_too(tmp_path: Path, text: str, told: str) -> None:
    assert told in "\n".join(problems_of(written(tmp_path, text)))


def test_no_secret_shows_when_settings_are_printed(tmp_path: Path) -> None:
    lines = (
        "CLOUDY_VMSTORES__ARRAY_ONE__PASSWORD=hunter2\nCLOUDY_TARGETS__S3__SECRET_KEY=s3cr3t\nCLOUDY_AUDIT_KEY=abab\n"
    )

    settings = config.load(written(tmp_path, WHOLE, lines))

    shown = f"{settings!r} {settings} {settings.vmstores} {settings.model_dump()}"
    assert not any(secret in shown for secret in ("hunter2", "s3cr3t", "abab"))
    assert set(settings.secrets()) == {"hunter2", "s3cr3t", "abab"}


def test_secrets_are_required_only_of_what_is_used_and_named_by_their_variables(tmp_path: Path) -> None:
    settings = config.load(written(tmp_path, WHOLE, "CLOUDY_TARGETS__S3__ACCESS_KEY=id\n"))

    settings.require_secrets()
    with pytest.raises(ConfigError) as caught:
        settings.require_secrets(slack=True, vmstores=True, targets=True)
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == [
        "CLOUDY_SLACK__BOT_TOKEN",
        "CLOUDY_SLACK__APP_TOKEN",
        "CLOUDY_VMSTORES__ARRAY_ONE__PASSWORD",
        "CLOUDY_TARGETS__S3__SECRET_KEY",
    ]


def test_a_share_that_logs_in_needs_its_password_and_has_it_nowhere_else(tmp_path: Path) -> None:
    smb = WHOLE.replace(
        'cleanup_share = "path:/mnt/rw"', 'cleanup_share = "path:x"\nrestore_share = "smb://u@array/vms"'
    )
    settings = config.load(written(tmp_path, smb, "CLOUDY_VMSTORES__ARRAY_ONE__PASSWORD=p\n"))
    assert settings.vmstores["array-one"].restore_share == "smb://u@array/vms"
    with pytest.raises(ConfigError, match="CLOUDY_VMSTORES__ARRAY_ONE__SHARE_PASSWORD is not set"):
        settings.require_secrets(vmstores=True)
    problems = problems_of(written(tmp_path, smb.replace("smb://u@", "smb://u:in-the-url@")))
    assert problems == (
        "cloudy.toml: vmstores.array-one.restore_share: a share's address may not hold a password; take it out and set"
        " CLOUDY_VMSTORES__ARRAY_ONE__SHARE_PASSWORD",
    )


def test_signed_http_needs_the_signing_secret_and_no_app_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(written(tmp_path, WHOLE)).require_secrets(slack_http=True)
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == [
        "CLOUDY_SLACK__BOT_TOKEN",
        "CLOUDY_SLACK__SIGNING_SECRET",
    ]


def test_a_target_without_any_key_is_fine(tmp_path: Path) -> None:
    config.load(written(tmp_path, WHOLE)).require_secrets(targets=True)


def test_an_unreadable_section_in_the_environment_is_a_mistake_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDY_SLACK", "{not json")

    assert "environment: error parsing value for field" in "\n".join(problems_of(written(tmp_path, WHOLE)))


def test_a_duration_is_read_and_anything_else_is_told_with_its_cure(tmp_path: Path) -> None:
    assert config.load(written(tmp_path, '[protection]\nrpo = "7d"\n')).protection.rpo == timedelta(days=7)
    assert config.load(written(tmp_path, "[protection]\n")).protection.hold == timedelta(hours=1)
    assert config.load(written(tmp_path, '[protection]\nhold = "0"\n')).protection.hold == timedelta()
    (problem,) = problems_of(written(tmp_path, "[protection]\nrpo = 24\n"))
    assert "protection.rpo" in problem
    assert 'like rpo = "24h"' in problem


HYPERVISOR = """
[hypervisors.kvm]
kind = "libvirt"
url = "qemu:///system"
"""


def test_a_vmstore_names_its_hypervisor_and_how_that_calls_the_export(tmp_path: Path) -> None:
    text = WHOLE.replace("[targets.s3]", 'hypervisor = "kvm"\ndatastore = "/mnt/tintri"\n\n[targets.s3]')
    settings = config.load(written(tmp_path, text + HYPERVISOR))
    assert settings.vmstores["array-one"].hypervisor == "kvm"
    assert settings.hypervisors["kvm"].url == "qemu:///system"
    assert not settings.hypervisors["kvm"].needs_password
    assert problems_of(written(tmp_path, text)) == (
        "cloudy.toml: vmstores.array-one.hypervisor: there is no [hypervisors.kvm]; add it, or correct the name",
    )


@pytest.mark.parametrize("url", ["root:hunter22@kvm1", "qemu+tls://root:hunter22@kvm1/system", "//u:hunter22@[kvm1"])
def test_an_address_with_a_password_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    for text in (HYPERVISOR.replace("qemu:///system", url), WHOLE.replace("https://vmstore.example.com", url)):
        (problem,) = problems_of(written(tmp_path, text))
        assert ".url: " in problem
        assert "hunter22" not in problem


def test_hypervisor_and_datastore_go_together(tmp_path: Path) -> None:
    for one, other in (('hypervisor = "kvm"', "datastore"), ('datastore = "/mnt/tintri"', "hypervisor")):
        text = WHOLE.replace("[targets.s3]", f"{one}\n\n[targets.s3]")
        (problem,) = problems_of(written(tmp_path, text + HYPERVISOR))
        assert problem.startswith(f"cloudy.toml: vmstores.array-one.{other}: missing beside ")


def test_the_password_of_a_hypervisor_is_a_secret_and_needed_with_its_user(tmp_path: Path) -> None:
    text = WHOLE + HYPERVISOR.replace("qemu:///system", "https://vcenter.example.com") + 'user = "cloudy"\n'
    settings = config.load(written(tmp_path, text, "CLOUDY_HYPERVISORS__KVM__PASSWORD=hunter22\n"))
    assert "hunter22" in settings.secrets()
    assert "hunter22" not in repr(settings)
    with pytest.raises(ConfigError, match="CLOUDY_HYPERVISORS__KVM__PASSWORD is not set"):
        config.load(written(tmp_path, text, "")).require_secrets(vmstores=True)
    (problem,) = problems_of(written(tmp_path, text + 'password = "hunter22"\n'))
    assert "secrets do not belong into this file" in problem
