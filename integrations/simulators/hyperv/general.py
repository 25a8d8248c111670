"""Cmdlets that are none of Hyper-V's: picking properties, remembering objects, looking for files."""

from typing import Any

from integrations.simulators.hyperv.call import Call, cmdlet
from integrations.simulators.hyperv.host import Refused
from integrations.simulators.hyperv.records import Selected, properties


def _select(call: Call) -> list[Any]:
    if call.has("ExpandProperty"):
        found: list[Any] = []
        for each in call.piped:
            value = properties(each)[call.text("ExpandProperty")]
            found += value if isinstance(value, list) else [value]
        return found
    names = [str(name) for name in call.many("Property")]
    return [Selected({name: properties(each).get(name) for name in names}) for each in call.piped]


def _where(call: Call) -> list[Any]:
    name, value = call.text("Property"), call.text("Value").lower()
    if not call.flag("EQ"):
        raise call.unbound("Property", name)
    return [each for each in call.piped if str(properties(each).get(name)).lower() == value]


def _system(call: Call) -> list[Any]:
    if call.text("ClassName") != "Win32_OperatingSystem":
        raise Refused("Invalid class", "HRESULT 0x80041010,Microsoft.Management.Infrastructure", "CimException")
    return [Selected({"Caption": "Microsoft Windows Server 2022 Datacenter", "Version": "10.0.20348"})]


def _set(call: Call) -> list[Any]:
    piped = list(call.piped)
    value = call.given.get("value", piped[0] if len(piped) == 1 else piped)
    call.session.variables[call.text("Name")] = value
    return []


def _get(call: Call) -> list[Any]:
    name = call.text("Name")
    if name not in call.session.variables:
        raise Refused(
            f"Cannot find a variable with the name '{name}'.",
            "VariableNotFound,Microsoft.PowerShell.Commands.GetVariableCommand",
            "ItemNotFoundException",
        )
    value = call.session.variables[name]
    if not call.flag("ValueOnly"):
        return [Selected({"Name": name, "Value": str(value)})]
    return value if isinstance(value, list) else [value]


def _remove(call: Call) -> list[Any]:
    call.session.variables.pop(call.text("Name"), None)
    return []


def _test_path(call: Call) -> list[Any]:
    is_leaf = call.text("PathType", "Any").lower() == "leaf"
    found = []
    for path in call.many("LiteralPath"):
        place = call.host.place(str(path))
        found.append(place is not None and (place.is_file() if is_leaf else place.exists()))
    return found


CMDLETS = {
    "Select-Object": cmdlet(_select, "Property ExpandProperty"),
    "Where-Object": cmdlet(_where, "Property EQ Value"),
    "Get-CimInstance": cmdlet(_system, "ClassName"),
    "Set-Variable": cmdlet(_set, "Name Value Scope"),
    "Get-Variable": cmdlet(_get, "Name ValueOnly Scope"),
    "Remove-Variable": cmdlet(_remove, "Name Scope"),
    "Test-Path": cmdlet(_test_path, "LiteralPath PathType"),
}
