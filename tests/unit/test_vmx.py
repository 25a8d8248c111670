"""The text of a .vmx: read, written, made anew; nothing of it leads out of the VM's folder."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model import Nic
from integrations.hypervisors.vsphere import definition, descriptors, rules, vmx
from integrations.hypervisors.vsphere.definition import NoDefinition, Wanted

FILES = frozenset({"vm.vmx", "vm.vmdk", "vm-flat.vmdk", "vm.nvram", "sub/data.vmdk"})
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.sampled_from(
    [
        "scsi0:0.present", "scsi0:0.deviceType", "scsi0.present", "sata0:1.fileName", "ethernet0.present",
        "ethernet0.address", "ethernet0.addressType", "ethernet0.networkName", "nvram", "annotation", "guestinfo.x",
        "uuid.bios", "sched.mem.min", "serial0.fileName", "floppy0.fileName", "log.fileName", "tools.syncTime",
        "workingDir", "displayName", "cloudy.label", "bios440.filename", "checkpoint.vmState", "extendedConfigFile",
    ]
)  # fmt: skip


def wanted(**changes: object) -> Wanted:
    return Wanted(**{"label": "T1", "name": "new", "path": "[tintri] new/new.vmx", "here": FILES} | changes)  # type: ignore[arg-type]


def made(text: str, **changes: object) -> dict[str, str]:
    return dict(definition.adapted(vmx.parse(text), wanted(**changes))[0])


# --- reading and writing ---


def test_settings_are_read_whatever_their_case_and_the_last_counts() -> None:
    found = vmx.parse('A.b = "1"\n# c = "2"\na.B="3"\r\nno line\nd e = "4"\nf = plain\nG = "say |22hi|22|0Athere"')
    assert dict(found) == {"a.b": "3", "f": "plain", "g": 'say "hi"\nthere'}
    assert found.get("a.B") == "3"


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9.:]{0,20}", fullmatch=True), TEXT))
def test_what_is_written_is_read_again(settings: dict[str, str]) -> None:
    made = vmx.Vmx()
    for key, value in settings.items():
        made.set(key, value)
    assert dict(vmx.parse(made.text())) == settings


def test_bytes_are_read_in_the_encoding_that_they_name() -> None:
    text = '.encoding = "windows-1252"\ndisplayName = "Büro"\n'
    assert vmx.parse(vmx.decode(text.encode("cp1252"))).get("displayname") == "Büro"
    assert vmx.decode(b'encoding="shift_jis"\n\x82\xa0').endswith("\N{HIRAGANA LETTER A}")
    assert vmx.decode(b'.encoding = ""\n\xff') == '.encoding = ""\n\ufffd'
    assert vmx.decode(b"\xff") == "\ufffd"


@pytest.mark.parametrize("name", ["utf-7", "unicode_escape", "idna", "rot13", "UTF-16", "a word", "n\xfcl", "x" * 600])
def test_only_encodings_that_vmware_writes_are_read(name: str) -> None:
    with pytest.raises(vmx.UnknownEncoding) as told:
        vmx.decode(f'.encoding = "{name}"\n'.encode())
    assert name[:40] in str(told.value)
    assert len(str(told.value)) < 300


def test_disks_are_in_bus_order_and_drives_are_none() -> None:
    text = "".join(
        f'{slot}.present = "TRUE"\n{slot}.fileName = "{file}"\n'
        for slot, file in (
            ("scsi1:0", "d.vmdk"), ("nvme0:0", "e.vmdk"), ("scsi0:10", "c.vmdk"), ("scsi0:2", "b.vmdk"),
            ("ide0:0", "a.vmdk"), ("ide1:0", "x.iso"), ("sata0:0", "emptyBackingString"),
        )
    )  # fmt: skip
    text += 'sata0:0.deviceType = "cdrom-raw"\nscsi2:0.fileName = "y.vmdk"\nscsi2.present = "FALSE"\n'
    assert [file for _, file in vmx.parse(text).disks()] == ["a.vmdk", "b.vmdk", "c.vmdk", "d.vmdk", "e.vmdk"]


def test_no_secret_stays_in_what_is_kept() -> None:
    text = (
        'a = "1"\nguestinfo.userdata = "s"\nRemoteDisplay.vnc.key = "s"\nencryption.keySafe = "s"\nx.Password = "s"\n'
    )
    assert vmx.without_secrets(text) == 'a = "1"\n'


# --- made anew ---


@given(st.dictionaries(KEYS, TEXT | st.sampled_from(["TRUE", "FALSE", "vm.vmdk", "../x", "/vmfs/x", "static", "vpx"])))
def test_nothing_leads_out_and_making_it_again_changes_nothing(settings: dict[str, str]) -> None:
    source = vmx.Vmx()
    for key, value in settings.items():
        source.set(key, value)
    try:
        first, _ = definition.adapted(source, wanted())
    except NoDefinition:
        return
    free = {"annotation", "displayname", "guestinfo.x", "ethernet0.networkname", definition.PLACE}
    assert [value for key, value in first if key not in free and re.search(r"[/\\]|\.\.", value)] == []
    assert first.get(definition.PLACE) == "[tintri] new/new.vmx"
    files = [value for key, value in first if rules.is_file(key)]
    assert set(files) <= {*FILES, "emptyBackingString"}
    second, _ = definition.adapted(vmx.parse(first.text()), wanted())
    assert dict(second) == dict(first)


def test_a_full_path_counts_by_the_name_of_the_file() -> None:
    text = 'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "/vmfs/volumes/5f/vm/vm.vmdk"\nnvram = "gone.nvram"\n'
    found = made(text)
    assert found["scsi0:0.filename"] == "vm.vmdk"
    assert "nvram" not in found
    assert made('scsi0:0.fileName = "sub/./data.vmdk"\n')["scsi0:0.filename"] == "sub/data.vmdk"


def test_a_fixed_address_is_kept_by_the_same_vm_only() -> None:
    text = (
        'ethernet0.present = "TRUE"\nethernet0.addressType = "static"\nethernet0.address = "00:50:56:00:00:01"\n'
        'ethernet1.present = "FALSE"\nethernet1.addressType = "static"\n'
    )
    other = made(text)
    assert (other["ethernet0.addresstype"], "ethernet0.address" in other) == ("generated", False)
    assert made(text, keeps_identity=True)["ethernet0.address"] == "00:50:56:00:00:01"
    _, notes = definition.adapted(vmx.parse(text), wanted())
    assert notes == ("ethernet0 had a fixed address, and gets another one",)


def test_cards_go_to_the_networks_that_are_named() -> None:
    text = 'ethernet1.present = "TRUE"\nethernet1.networkName = "b"\nethernet0.present = "TRUE"\n'
    cards = (Nic(mac="", network="a"),)
    found = made(text, cards=cards, networks={"a": "x", "b": "y"}, is_connected=True)
    assert [found[f"ethernet{number}.networkname"] for number in (0, 1)] == ["x", "y"]
    assert [found[f"ethernet{number}.startconnected"] for number in (0, 1)] == ["TRUE", "TRUE"]


def test_what_is_no_definition_is_refused() -> None:
    with pytest.raises(NoDefinition, match="empty"):
        made("\0\0\0")


def test_notes_tell_once_who_restored_it() -> None:
    once = definition.annotated("first\nRestored by Cloudy: T0", "T1")
    assert once == "first\nRestored by Cloudy: T1"
    assert definition.annotated(once, "T2") == "first\nRestored by Cloudy: T2"
    assert definition.annotated("", "T1") == "Restored by Cloudy: T1"


def test_uuids_are_read_as_they_are_written_elsewhere() -> None:
    text = 'uuid.bios = "56 4d 12 34 56 78 9a bc-de f0 01 23 45 67 89 AB"'
    assert definition.own_uuid(vmx.parse(text)) == "564d1234-5678-9abc-def0-0123456789ab"
    assert definition.own_uuid(vmx.parse('uuid.bios = "56 4d"')) == ""


# --- descriptors ---


def test_a_descriptor_is_read_with_what_lies_below_it() -> None:
    text = (
        '# Disk DescriptorFile\nparentFileNameHint="base.vmdk"\nRW 8 VMFSSPARSE "a-delta.vmdk"\nRW 8 ZERO\n'
        'changeTrackPath="a-ctk.vmdk"\nddb.x = "1"\n'
    )
    found = descriptors.read(text)
    assert (found.extents, found.parent) == (("a-delta.vmdk",), "base.vmdk")
    assert found.text == text.replace('changeTrackPath="a-ctk.vmdk"\n', "")
    assert descriptors.read(found.text) == found


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", "", "..", "/a"])
def test_a_descriptor_names_files_of_its_own_folder_only(name: str) -> None:
    with pytest.raises(descriptors.BadDisk):
        descriptors.read(f'# Disk DescriptorFile\nRW 8 FLAT "{name}" 0\n')
