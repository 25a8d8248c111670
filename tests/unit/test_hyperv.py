"""Parts of the Hyper-V adapter that no host is needed for: paths, marks, what errors mean."""

from pathlib import Path

import pytest
import requests
import spnego.exceptions
from pypsrp.exceptions import InvalidPSRPOperation, WinRMError, WSManFaultError

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError
from integrations.hypervisors.hyperv import marks
from integrations.hypervisors.hyperv.failures import CmdletError, Wire
from integrations.hypervisors.hyperv.paths import Paths, place_of

VM, FOLDER = "20342d93-c546-4762-a442-a351221b5d66", "\\\\vmstore\\share\\web02\\cloudy-T2"
WIRE = Wire("hv1", None)


def test_a_path_is_the_same_in_upper_and_lower_case_and_by_either_slash() -> None:
    paths = Paths("//VMstore/share/")
    assert paths.datastore == "\\\\VMstore\\share"
    assert paths.full("web01/a b.vhdx") == "\\\\VMstore\\share\\web01\\a b.vhdx"
    assert paths.inside("\\\\vmSTORE\\Share\\web01\\A.vhdx") == "web01/A.vhdx"
    for other in ("\\\\vmstore\\share2\\a", "\\\\vmstore\\share", "C:\\a", "\\\\vmstore\\share\\..\\a", ""):
        assert paths.inside(other) == ""
    assert Paths("").inside("\\a") == ""


def test_a_file_is_found_by_its_name_and_by_its_folder_where_there_are_several() -> None:
    files = ("new/disks/a.vhdx", "new/more/a.vhdx", "new/B.vhdx")
    assert place_of("C:\\old\\disks\\a.vhdx", "new", files) == "new/disks/a.vhdx"
    assert place_of("\\\\x\\y\\more\\A.VHDX", "new", files) == "new/more/a.vhdx"
    assert place_of("C:\\elsewhere\\a.vhdx", "new", files) == ""
    assert place_of("old/b.vhdx", "new", files) == "new/B.vhdx"
    assert place_of("old/c.vhdx", "new", files) == ""
    assert place_of("", "new", files) == ""


def test_a_mark_counts_for_one_vm_in_one_place() -> None:
    notes = marks.annotated("mine", "T2", VM, FOLDER)
    assert notes == f"mine\nRegistered by Cloudy: T2 as {VM} in {FOLDER}"
    assert marks.noted(notes, VM.upper(), FOLDER.upper()) == "T2"
    assert marks.noted(notes, VM, FOLDER + "x") == ""
    assert marks.noted(notes, "0" + VM[1:], FOLDER) == ""
    assert marks.noted(notes.replace("\n", "\r\n"), VM, FOLDER) == "T2"
    assert marks.annotated(notes, "T3", VM, FOLDER).count("Registered by Cloudy") == 1
    assert marks.without(notes) == "mine"


def test_what_was_begun_is_known_by_its_folder() -> None:
    assert marks.begun(FOLDER) == marks.begun(FOLDER + "\\") == "T2"
    assert marks.begun("C:\\cloudy-T2\\web01") == marks.begun("") == ""
    assert marks.place_name("T2") == "cloudy-T2"


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (WSManFaultError(2150858793, None, "late", None, None, None), TransientError, "in time"),
        (WSManFaultError(2150859173, None, "too many shells", None, None, None), TransientError, "pass by itself"),
        (WSManFaultError(5, None, "Access is denied.", None, None, None), DeniedError, "Remote Management Users"),
        (WSManFaultError(87, None, "wrong", None, None, None), PermanentError, r"hv1, asking: wrong\.$"),
        (InvalidPSRPOperation("broken"), TransientError, "broken the session off"),
        (WinRMError("not related"), PermanentError, "does not answer as PowerShell remoting does"),
        (requests.ConnectionError(ConnectionResetError()), TransientError, "broke off"),
        (spnego.exceptions.SpnegoError(16, context_msg="no ticket"), DeniedError, "could not log in by `auth`"),
        (ImportError("no module krb5"), DeniedError, r"'pypsrp\[kerberos\]'"),
    ],
)
def test_what_goes_wrong_on_the_way_is_told_for_whoever_must_act(
    error: Exception, kind: type[RemoteError], told: str
) -> None:
    with pytest.raises(kind, match=told) as found:
        raise WIRE.failure(error, "asking")
    assert (found.value.system, found.value.operation) == ("hv1", "asking")


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (
            CmdletError("no VM", "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM", 5),
            MissingError,
            "such VM",
        ),
        (CmdletError("no switch", "InvalidParameter,Microsoft.X.ConnectVMNetworkAdapter", 5), PermanentError, "switch"),
        (CmdletError("The term 'Get-VM' is not", "CommandNotFoundException", 13), PermanentError, "module for Windows"),
        (
            CmdletError("You lack\r\nit", "AccessDenied,X", 0),
            DeniedError,
            "You lack it. Its user must be in the host's",
        ),
        (CmdletError("no", "X", 18), DeniedError, "delegation"),
        (CmdletError("General access denied (0x80070005)", "OperationFailed,X", 0), DeniedError, "delegation"),
    ],
)
def test_what_a_cmdlet_says_is_told_with_its_code(error: CmdletError, kind: type[RemoteError], told: str) -> None:
    with pytest.raises(kind, match=told) as found:
        raise WIRE.of_cmdlet(error, "asking")
    assert found.value.code == error.code.partition(",")[0]


def test_a_ca_that_is_not_there_is_the_first_thing_to_say() -> None:
    with pytest.raises(DeniedError, match="set `ca` to the right one"):
        raise Wire("hv1", Path("/gone.pem")).failure(OSError("no bundle"), "asking")
